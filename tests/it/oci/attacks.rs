//! Attacks by layers and blobs (cases 12 and 13), each with a name. [`Stage`] proves in each that nothing outside the tree
//! changed. Those by documents are with their decoders, in `src/oci/`.

use super::made::{LAYER, Layer, Layout, digest, tar, through};
use crate::sandbox::{Sandbox, root_or_skip};
use crate::tar::made::Tape;
use crate::trees::Stage;
use sdme::oci::spool::spool;
use sdme::rootfs::unpack::oci::unpack_layout;
use sdme::stream::tar::Archive;
use sdme::sys::dir::Dir;
use std::fs;

fn stage(name: &str) -> Option<Stage> {
    root_or_skip(name).then(|| Stage::new(&format!("oci-{name}")))
}

/// What is in the tree after these layers, or why there is none.
fn flattened(name: &str, layers: &[&[&str]]) -> Option<Result<Vec<String>, String>> {
    let stage = stage(name)?;
    let layers: Vec<Layer> = layers.iter().map(|items| Layer::plain(&tar(items))).collect();
    let result = Layout::new(name).image(&layers).unpack(&stage);
    Some(result.map(|_| stage.listing()).map_err(|error| error.to_string()))
}

fn assert_tree(name: &str, layers: &[&[&str]], wanted: &[&str]) {
    if let Some(tree) = flattened(name, layers) {
        assert_eq!(tree.unwrap(), wanted, "{name}");
    }
}

/// The error of an image with these layers.
fn refused(name: &str, layers: &[Layer]) -> Option<String> {
    let stage = stage(name)?;
    Some(Layout::new(name).image(layers).unpack(&stage).unwrap_err().to_string())
}

#[test]
fn case_12_whiteouts_hide_what_earlier_layers_brought() {
    assert_tree("file", &[&["a", "b"], &[".wh.a"]], &["f b"]);
    assert_tree("directory", &[&["d/", "d/a", "d/e/", "d/e/b", "c"], &[".wh.d"]], &["f c"]);
    assert_tree("again", &[&["d/", "d/a"], &[".wh.d"], &["d/", "d/b"]], &["d d", "f d/b"]);
    assert_tree("of-directory", &[&["d/", "d/a"], &[".wh.d/"]], &[]);
    assert_tree("nothing", &[&["a"], &[".wh.b", "d/.wh.c", "x/y/.wh..wh..opq"]], &["f a"]);
    assert_tree("first-layer", &[&[".wh.a", "a", ".wh..wh..opq"]], &["f a"]);
    assert_tree("strange", &[&["...", ".x", "a.wh.b"], &[".wh....", ".wh..x", ".wh.a.wh.b"]], &[]);
}

#[test]
fn case_12_a_whiteout_of_a_link_is_of_the_link() {
    assert_tree("absolute", &[&["l -> /etc/passwd"], &[".wh.l"]], &[]);
    assert_tree("relative", &[&["d/", "d/a", "l -> d"], &[".wh.l"]], &["d d", "f d/a"]);
    assert_tree("dangling", &[&["l -> ../../canary"], &[".wh.l"]], &[]);
    assert_tree("hard", &[&["a", "b => a"], &[".wh.a"]], &["f b"]);
}

#[test]
fn case_12_a_whiteout_through_a_symlinked_parent_stays_inside() {
    assert_tree("inside", &[&["d/", "d/a", "l -> d"], &["l/.wh.a"]], &["d d", "l l -> d"]);
    for target in ["../../canary/etc", "/etc", "../..", "/proc/self/root/etc"] {
        for hidden in ["l/.wh.passwd", "l/.wh..wh..opq", "l/.wh.secret"] {
            let link = format!("l -> {target}");
            let Some(tree) = flattened("outside", &[&[&*link], &[hidden]]) else { return };
            // `..` of the tree's root is the root: there the marker is of all that the first layer brought.
            let is_root = target == "../.." && hidden == "l/.wh..wh..opq";
            assert_eq!(tree.unwrap(), if is_root { vec![] } else { vec![format!("l {link}")] }, "{hidden}");
        }
    }
    let Some(tree) = flattened("dots", &[&["a"], &["../canary/etc/.wh.passwd"]]) else { return };
    assert!(tree.unwrap_err().contains("\"../canary/etc/passwd\""));
}

/// `/var/run -> /run` where no layer has made `/run`: it is made in the tree, wherever the symlink leads.
#[test]
fn case_2_what_a_dangling_symlink_leads_to_is_made_inside() {
    let run = &["d var", "l var/run -> /run"][..];
    let with = |more: &[&'static str]| -> Vec<&'static str> { more.iter().chain(run).copied().collect() };
    let made = with(&["d run", "d run/lock", "f run/lock/x"]);
    assert_tree("one-layer", &[&["var/", "var/run -> /run", "var/run/lock/x"]], &made);
    assert_tree("next-layer", &[&["var/", "var/run -> /run"], &["var/run/lock/x"]], &made);
    assert_tree("twice", &[&["var/", "var/run -> /run"], &["var/run/lock/x", "var/run/lock/x"]], &made);
    assert_tree("hidden-later", &[&["var/", "var/run -> /run", "var/run/x"], &["var/run/.wh.x"]], &with(&["d run"]));
    assert_tree("chain", &[&["a -> b", "b -> /c/d", "a/x"]], &["l a -> b", "l b -> /c/d", "d c", "d c/d", "f c/d/x"]);
    for target in ["../../canary/new", "/../../../canary/new", "canary/./new/"] {
        let wanted = ["d canary", "d canary/new", "f canary/new/x", &format!("l l -> {target}")];
        assert_tree("outside", &[&[&format!("l -> {target}"), "l/x"]], &wanted);
    }
    for (links, words) in [
        (&["l -> m", "m -> l", "l/x"][..], "Too many levels"),
        (&["l -> l/y", "l/x"], "Too many levels"),
        // Not here at all, however much of it is made.
        (&["l -> a/../l", "l/x"], "leads nowhere"),
        (&["f", "l -> f/y", "l/x"], "Not a directory"),
    ] {
        let Some(tree) = flattened("loop", &[links]) else { return };
        assert!(tree.clone().unwrap_err().contains(words), "{tree:?}");
    }
}

#[test]
fn case_12_whiteouts_of_nothing_and_of_everything_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", "d/.wh..", "d/.wh...", ".wh.../x", ".wh.a/b", ".wh../etc/passwd"] {
        let Some(tree) = flattened("odd", &[&["d/", "d/a"], &[name]]) else { return };
        assert!(tree.unwrap_err().contains("is no whiteout that could be followed"), "{name}");
    }
}

#[test]
fn case_12_opaque_markers_anywhere_in_their_layer() {
    let lower: &[&str] = &["d/", "d/a", "d/e/", "d/e/b"];
    let wanted = ["d d", "f d/c", "d d/f", "f d/f/g"];
    assert_tree("opaque-first", &[lower, &["d/", "d/.wh..wh..opq", "d/c", "d/f/", "d/f/g"]], &wanted);
    assert_tree("opaque-middle", &[lower, &["d/", "d/c", "d/.wh..wh..opq", "d/f/", "d/f/g"]], &wanted);
    assert_tree("opaque-last", &[lower, &["d/", "d/c", "d/f/", "d/f/g", "d/.wh..wh..opq"]], &wanted);
    assert_tree("opaque-alone", &[lower, &["d/.wh..wh..opq"]], &["d d"]);
    assert_tree("opaque-root", &[lower, &["x", ".wh..wh..opq"]], &["f x"]);
    assert_tree("opaque-inner", &[lower, &["d/e/", "d/e/n", "d/.wh..wh..opq"]], &["d d", "d d/e", "f d/e/n"]);
}

#[test]
fn case_12_whiteouts_never_hide_what_their_own_layer_brings() {
    assert_tree("own-after", &[&["a"], &["a", ".wh.a"]], &["f a"]);
    assert_tree("own-before", &[&["a"], &[".wh.a", "a"]], &["f a"]);
    assert_tree("own-in", &[&["d/", "d/a"], &["d/", "d/b", ".wh.d"]], &["d d", "f d/b"]);
    assert_tree("own-only", &[&["x"], &["a", ".wh.a"]], &["f a", "f x"]);
}

#[test]
fn case_12_what_aufs_kept_for_itself_is_passed_over() {
    let names: &[&str] = &["a", ".wh..wh.aufs", ".wh..wh.plnk/", ".wh..wh.plnk/1.2", ".wh..wh.orph/", "d/.wh..wh.x"];
    assert_tree("aufs", &[names], &["f a"]);
    assert_tree("aufs-upper", &[&["b"], names], &["f a", "f b"]);
}

#[test]
fn case_13_blobs_that_do_not_match_their_digest_or_size_are_refused() {
    let plain = tar(&["a"]);
    let honest = Layer::plain(&plain);
    let mut changed = plain.clone();
    changed[600] ^= 1;
    let longer = [&plain[..], &[0; 512]].concat();
    let told = |layer: Layer| refused("blob", &[layer]);
    let Some(error) = told(Layer { stored: Some(changed), ..honest.clone() }) else { return };
    assert!(error.contains("its bytes have the digest"), "{error}");
    for stored in [&plain[..plain.len() - 1], &longer] {
        let error = told(Layer { stored: Some(stored.to_vec()), ..honest.clone() }).unwrap();
        assert!(error.contains(&format!("has {} bytes, not the 2048", stored.len())), "{error}");
    }
    let error = told(Layer { stored: None, ..honest.clone() }).unwrap();
    assert!(error.contains("is missing: the image is not whole"), "{error}");
    let error = told(Layer { digest: digest(b"other"), ..honest }).unwrap();
    assert!(error.contains("its bytes have the digest"), "{error}");
}

#[test]
fn case_13_a_tar_stream_that_does_not_match_its_diff_id_is_refused() {
    let plain = tar(&["a"]);
    for stored in [Some(plain.clone()), through("gzip", &["-c"], &plain), through("zstd", &["-qc"], &plain)] {
        let Some(stored) = stored else { continue };
        let layer = Layer { diff_id: digest(b"another"), ..Layer::of(&plain, stored) };
        let Some(error) = refused("diff", &[layer]) else { return };
        assert!(error.contains("its tar stream is sha256:") && error.contains("the image's config has"), "{error}");
    }
}

/// Behind the end of the archive too every byte counts, of the stored and of the plain stream.
#[test]
fn case_13_what_follows_the_end_is_refused() {
    let plain = [&tar(&["a"])[..], b"more"].concat();
    let Some(error) = refused("more", &[Layer::plain(&plain)]) else { return };
    assert!(error.contains("more follows"), "{error}");
    let Some(packed) = through("gzip", &["-c"], &tar(&["a"])) else { return };
    let error = refused("more-packed", &[Layer::of(&tar(&["a"]), [&packed[..], b"more"].concat())]).unwrap();
    assert!(error.contains("layer 1 of 1"), "{error}");
    let cut = Layer::of(&tar(&["a"]), packed[..packed.len() - 4].to_vec());
    let error = refused("cut-packed", &[cut]).unwrap();
    assert!(error.contains("layer 1 of 1"), "{error}");
}

#[test]
fn case_13_the_compression_is_told_by_the_bytes() {
    let plain = tar(&["a"]);
    for (tool, options) in [("gzip", &["-c"][..]), ("zstd", &["-qc"]), ("cat", &[]), ("xz", &["-c"])] {
        for ending in ["", "+gzip", "+zstd"] {
            let (Some(stored), Some(stage)) = (through(tool, options, &plain), stage("bytes")) else { return };
            let layer = Layer { media_type: format!("{LAYER}{ending}"), ..Layer::of(&plain, stored) };
            Layout::new("bytes").image(&[layer]).unpack(&stage).unwrap();
            assert_eq!(stage.listing(), ["f a"], "{tool} as {ending:?}");
        }
    }
}

#[test]
fn case_13_foreign_layers_are_used_when_there_and_named_when_not() {
    let layer = Layer {
        media_type: "application/vnd.oci.image.layer.nondistributable.v1.tar".into(),
        ..Layer::plain(&tar(&["a"]))
    };
    let Some(error) = refused("foreign", &[Layer { stored: None, ..layer.clone() }]) else { return };
    assert!(error.contains("is a foreign one that its licence keeps out"), "{error}");
    let stage = stage("foreign-there").unwrap();
    Layout::new("foreign-there").image(&[layer]).unpack(&stage).unwrap();
    assert_eq!(stage.listing(), ["f a"]);
}

#[test]
fn case_13_a_blob_as_link_fifo_or_directory_is_refused() {
    let plain = tar(&["a"]);
    let layout = Layout::new("kinds").image(&[Layer::plain(&plain)]);
    let blob = layout.blob(&digest(&plain));
    let Some(_) = stage("kinds") else { return };
    let refused = || layout.unpack(&stage("kinds").unwrap()).unwrap_err().to_string();
    fs::rename(&blob, layout.sandbox.dir.join("outside")).unwrap();
    std::os::unix::fs::symlink(layout.sandbox.dir.join("outside"), &blob).unwrap();
    assert!(refused().contains("it is a symlink, which is not followed"));
    fs::remove_file(&blob).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&blob).status().unwrap().success());
    assert!(refused().contains("is not a regular file"));
    fs::remove_file(&blob).unwrap();
    fs::create_dir(&blob).unwrap();
    assert!(refused().contains("is not a regular file"));
}

#[test]
fn case_13_a_bomb_ends_at_its_bound() {
    let mut tape = Tape::default();
    tape.file("zeros", &vec![0; 200 << 20]);
    let plain = tape.end();
    // zstd comes to 1:30,000 of zeros.
    let Some(stored) = through("zstd", &["-qc"], &plain) else { return eprintln!("skip: no zstd here") };
    let Some(error) = refused("bomb", &[Layer::of(&plain, stored)]) else { return };
    assert!(error.contains("--max-ratio"), "{error}");
}

/// `docker save` before 25: a layer that two images share is a link.
#[test]
fn case_13_an_archive_of_docker_save() {
    let Some(stage) = stage("docker") else { return };
    let (one, two) = (tar(&["a", "b"]), tar(&[".wh.a", "c"]));
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}","{}","{}"]}}}}"#,
        digest(&one),
        digest(&two),
        digest(&two)
    );
    let hex = |bytes: &[u8]| digest(bytes).trim_start_matches("sha256:").to_string();
    let (first, second, third) = (hex(b"1"), hex(b"2"), hex(b"3"));
    let name = format!("{}.json", hex(config.as_bytes()));
    let manifest = format!(
        r#"[{{"Config":"{name}","RepoTags":["x:1"],"Layers":["{first}/layer.tar","{second}/layer.tar","{third}/layer.tar"]}}]"#
    );
    let mut tape = Tape::default();
    let mut version = |id: &str| {
        tape.put(&crate::tar::made::Header::new(format!("{id}/").as_bytes(), b'5', 0), b"");
        tape.file(&format!("{id}/VERSION"), b"1.0").file(&format!("{id}/json"), b"{}").clone()
    };
    version(&first);
    version(&second);
    version(&third);
    tape.file(&format!("{first}/layer.tar"), &one).file(&format!("{second}/layer.tar"), &two);
    let link = format!("../{second}/layer.tar");
    let mut header = crate::tar::made::Header::new(format!("{third}/layer.tar").as_bytes(), b'2', 0);
    tape.put(header.link(link.as_bytes()), b"");
    tape.file(&name, config.as_bytes()).file("manifest.json", manifest.as_bytes()).file("repositories", b"{}");
    let archive = tape.end();
    assert!(sdme::rootfs::unpack::oci::is_image(&archive));
    let spooled = Sandbox::new("oci-docker-spool");
    let dir = Dir::open(&spooled.dir).unwrap();
    let mut archive = Archive::new(&archive[..]);
    spool(&mut archive, &dir, 1 << 20).unwrap();
    archive.finish().unwrap();
    let mut writer = stage.writer();
    let info = unpack_layout(&dir, None, None, &mut writer).unwrap();
    writer.finish().unwrap();
    assert_eq!((info.digest.to_string(), info.layers, info.names), (digest(config.as_bytes()), 3, vec!["x:1".into()]));
    assert_eq!(stage.listing(), ["f b", "f c"]);
}
