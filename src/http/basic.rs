//! Credentials as a header carries them: Basic (RFC 7617) over base64 (RFC 4648). Pure.

use crate::http::authority::Login;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value of an Authorization or Proxy-Authorization header.
pub fn value(login: &Login) -> String {
    let text = [login.user.as_slice(), b":", login.password.as_slice()].concat();
    format!("Basic {}", base64(&text))
}

fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            // A group of n bytes is n + 1 letters.
            let index = (bits >> (18 - 6 * digit)) as usize & 63;
            out.push(if digit <= group.len() { char::from(LETTERS[index]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_and_7617() {
        let pairs = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("\u{fb}\u{ff}", "w7vDvw=="),
        ];
        for (text, encoded) in pairs {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        let login = Login { user: b"Aladdin".to_vec(), password: b"open sesame".to_vec() };
        assert_eq!(value(&login), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
