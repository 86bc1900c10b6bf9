//! Random layers: entries that meet, symlinks that lead anywhere, whiteouts and opaque markers, stored in any way. Where umoci takes
//! the image, its tree is ours (but for what `entries` says).

use super::chance::Chance;
use super::entries::{Links, Maker};
use super::trees::{Judge, compare};
use super::{Verdict, each, has};
use crate::oci::made::{Layer, Layout, through};
use crate::sandbox::root_or_skip;
use crate::tar::made::{Header, Tape};
use crate::trees::Stage;
use std::process::Command;

fn layer(maker: &mut Maker) -> Vec<u8> {
    let mut tape = Tape::default();
    for _ in 0..1 + maker.chance.below(9) {
        if maker.chance.once_in(6) { whiteout(&mut tape, maker) } else { maker.put(&mut tape) }
    }
    maker.told += "| ";
    tape.end()
}

fn whiteout(tape: &mut Tape, maker: &mut Maker) {
    let path = maker.path();
    let marker = match path.rsplit_once('/') {
        _ if maker.chance.once_in(3) => format!("{path}/.wh..wh..opq"),
        None => format!(".wh.{path}"),
        Some((parent, name)) => format!("{parent}/.wh.{name}"),
    };
    tape.put(&Header::new(marker.as_bytes(), b'0', 0), b"");
    maker.told += &format!("{marker}, ");
}

fn stored(chance: &mut Chance, plain: &[u8]) -> Layer {
    let stored = match chance.below(4) {
        0 => through("gzip", &["-1c"], plain),
        1 => through("zstd", &["-qc"], plain),
        _ => None,
    };
    Layer::of(plain, stored.unwrap_or_else(|| plain.to_vec()))
}

fn image(seed: u64) -> Verdict {
    let mut chance = Chance::new(seed);
    let mut maker = Maker::new(&mut chance, Links::Anywhere);
    let count = maker.chance.of(&[1, 1, 2, 2, 3, 4, 6, 12, 40]);
    let plain: Vec<Vec<u8>> = (0..count).map(|_| layer(&mut maker)).collect();
    let layers: Vec<Layer> = plain.iter().map(|plain| stored(maker.chance, plain)).collect();
    let stage = Stage::new(&format!("corpus-layers-stage-{seed}"));
    let ours = Layout::new(&format!("corpus-layers-{seed}")).image(&layers).unpack(&stage);
    if ours.is_ok() {
        maker.check(&stage.tree())?;
    }
    // umoci goes by the media type, and has none for zstd here: it gets them plain.
    let layers: Vec<Layer> = plain.iter().map(|plain| Layer::plain(plain)).collect();
    let layout = Layout::new(&format!("corpus-umoci-{seed}")).image(&layers);
    let target = layout.sandbox.dir.join("theirs");
    let mut umoci = Command::new("umoci");
    umoci.args(["raw", "unpack", "--image"]).arg(format!("{}:t", layout.path().display())).arg(&target);
    let umoci = umoci.output().unwrap();
    let what = &maker.told;
    match (ours.map_err(|error| error.to_string()), umoci.status.success()) {
        (Err(_), false) => Ok("refused by both"),
        (Err(error), true) => Err(format!("{what}: {error}")),
        (Ok(_), true) => compare(what, Judge::Bare("umoci"), &target, &stage.tree()).map(|()| "as umoci"),
        (Ok(_), false) => {
            let why = String::from_utf8_lossy(&umoci.stderr).into_owned();
            match why {
                // It removes the old name before it makes the new one.
                _ if why.contains("link: no such file or directory") => Ok("only we can: a link to itself"),
                _ if why.contains("/.wh.") && why.contains("too many levels") => {
                    Ok("only we can: a whiteout in a loop")
                }
                _ => Err(format!("{what}: umoci: {why}")),
            }
        }
    }
}

#[test]
fn random_layers_are_what_umoci_makes_of_them() {
    if root_or_skip("the corpus") && has("umoci") {
        each("images", 80, image);
    }
}
