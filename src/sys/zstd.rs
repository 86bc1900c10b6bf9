//! zstd's streaming decoder, over libzstd-rs-sys: the reference implementation in Rust, with the interface of C.

use libzstd_rs_sys::{
    ZSTD_DCtx, ZSTD_DCtx_setParameter, ZSTD_createDCtx, ZSTD_dParameter, ZSTD_decompressStream, ZSTD_freeDCtx,
    ZSTD_getErrorName, ZSTD_inBuffer, ZSTD_isError, ZSTD_outBuffer,
};
use std::ffi::CStr;
use std::ptr::NonNull;

/// The state of one stream.
pub struct Decoder(NonNull<ZSTD_DCtx>);

// SAFETY: the state is plain memory of its own, used by whoever has the Decoder and by no other.
unsafe impl Send for Decoder {}

/// What one step did.
pub struct Step {
    pub taken: usize,
    pub given: usize,
    /// The frame is over, and all it holds was given.
    pub is_frame_over: bool,
}

impl Decoder {
    /// Frames with a window of more than `2^window_log` bytes will be refused. None when there is no memory.
    pub fn new(window_log: u32) -> Option<Decoder> {
        // SAFETY: takes nothing, gives a state of its own or null.
        let decoder = Decoder(NonNull::new(unsafe { ZSTD_createDCtx() })?);
        let value = window_log.try_into().ok()?;
        // SAFETY: the state is alive; the parameter and its value are checked inside.
        let code = unsafe { ZSTD_DCtx_setParameter(decoder.0.as_ptr(), ZSTD_dParameter::ZSTD_d_windowLogMax, value) };
        (ZSTD_isError(code) == 0).then_some(decoder)
    }

    /// Decodes as much as there are bytes and room for. After an error the decoder is of no use any more.
    pub fn step(&mut self, bytes: &[u8], room: &mut [u8]) -> Result<Step, String> {
        let mut input = ZSTD_inBuffer { src: bytes.as_ptr().cast(), size: bytes.len(), pos: 0 };
        let mut output = ZSTD_outBuffer { dst: room.as_mut_ptr().cast(), size: room.len(), pos: 0 };
        // SAFETY: the state is alive, and both buffers are the slices, which outlive the call.
        let code = unsafe { ZSTD_decompressStream(self.0.as_ptr(), &mut output, &mut input) };
        if ZSTD_isError(code) != 0 {
            return Err(text(code));
        }
        Ok(Step { taken: input.pos.min(bytes.len()), given: output.pos.min(room.len()), is_frame_over: code == 0 })
    }
}

fn text(code: usize) -> String {
    // SAFETY: gives a static string for every code.
    unsafe { CStr::from_ptr(ZSTD_getErrorName(code)) }.to_string_lossy().to_lowercase()
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the state is alive, and nobody uses it after this.
        unsafe { ZSTD_freeDCtx(self.0.as_ptr()) };
    }
}
