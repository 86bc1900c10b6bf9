//! What `systemctl enable` does by itself in a tree whose systemd does not run: the links below /etc/systemd/system by which
//! a target starts a unit at boot. All paths are looked up inside the tree.

use crate::error::{Context, Error, Kind, Result};
use crate::sys::dir::Dir;
use crate::sys::meta;
use crate::sys::resolve::Root;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where an administrator's links are.
pub const DIRECTORY: &str = "/etc/systemd/system";
/// Where unit files may be that outlast a boot, in the order in which systemd prefers them.
const LASTING: [&str; 4] =
    [DIRECTORY, "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// Directories that hold links, by the ends of their names, and the keys of `[Install]` that ask for one.
const KINDS: [(&str, &str); 3] = [("WantedBy", ".wants"), ("RequiredBy", ".requires"), ("UpheldBy", ".upholds")];
/// What a link to nothing stands for.
const MASK: &str = "/dev/null";
/// A unit file is a page of text.
const FILE_MAX: usize = 1 << 16;
/// Names in one directory of units.
const NAMES_MAX: usize = 10_000;
const MODE: u32 = 0o755;

/// The file of a unit that outlasts a boot. None when there is none.
///
/// Errors: it is masked.
pub fn find(root: &Root, unit: &str) -> Result<Option<PathBuf>> {
    for directory in LASTING {
        let Some(there) = open(root, directory)? else { continue };
        match there.lookup(unit)? {
            None => {}
            Some(meta) if meta.kind == meta::Kind::Symlink && there.readlink(unit)? == MASK => {
                return Err(Error::failed(format!("{unit} is masked: {directory}/{unit} is a link to {MASK}")));
            }
            Some(_) => return Ok(Some(Path::new(directory).join(unit))),
        }
    }
    Ok(None)
}

/// Makes the links of `unit`, an instance of the template at `template`, that its `[Install]` asks for.
///
/// Errors: `Invalid` when it asks for what is not known here; `Exists` when another link has the name.
pub fn enable(root: &Root, unit: &str, template: &Path) -> Result<()> {
    let text = root.read_limited(template, FILE_MAX)?;
    let directories = install(&String::from_utf8_lossy(&text)).with_context(|| format!("{template:?}"))?;
    let system = root.ensure_directory(Path::new(DIRECTORY), MODE)?;
    for name in directories {
        let directory = system.ensure(&name, MODE).with_context(|| format!("{DIRECTORY}/{name}"))?;
        link(&directory, unit, template).with_context(|| format!("{DIRECTORY}/{name}"))?;
        directory.sync()?;
    }
    Ok(())
}

/// A link to the same file by another name of its directory (/lib is /usr/lib) will do.
fn link(directory: &Dir, unit: &str, template: &Path) -> Result<()> {
    let is_ours = || -> Result<bool> {
        let is_link = directory.lookup(unit)?.is_some_and(|meta| meta.kind == meta::Kind::Symlink);
        Ok(is_link && Path::new(&directory.readlink(unit)?).file_name() == template.file_name())
    };
    match directory.symlink(template.as_os_str(), unit) {
        Err(error) if *error.kind() == Kind::Exists && is_ours()? => Ok(()),
        other => other,
    }
}

/// Removes the links of `unit`, and directories that hold none after that. Tells whether there were any.
pub fn disable(root: &Root, unit: &str) -> Result<bool> {
    let mut found = false;
    let Some(system) = open(root, DIRECTORY)? else { return Ok(false) };
    for (name, directory) in directories(&system)? {
        if directory.lookup(unit)?.is_some_and(|meta| meta.kind == meta::Kind::Symlink) {
            directory.unlink(unit).with_context(|| format!("{DIRECTORY}/{name}"))?;
            found = true;
            // Most often there are others.
            let _ = system.rmdir(&name);
        }
    }
    Ok(found)
}

/// The units that have such a link.
pub fn enabled(root: &Root) -> Result<BTreeSet<String>> {
    let mut units = BTreeSet::new();
    let Some(system) = open(root, DIRECTORY)? else { return Ok(units) };
    for (_, directory) in directories(&system)? {
        units.extend(directory.entries(NAMES_MAX)?.into_iter().filter_map(|entry| entry.name.into_string().ok()));
    }
    Ok(units)
}

/// The directories of links in that of the administrator's units; a symlink is none.
fn directories(system: &Dir) -> Result<Vec<(String, Dir)>> {
    let names = system.entries(NAMES_MAX)?.into_iter().filter_map(|entry| entry.name.into_string().ok());
    let linked = names.filter(|name| KINDS.iter().any(|(_, ending)| name.ends_with(ending)));
    Ok(linked.filter_map(|name| system.subdir(&name).ok().map(|dir| (name, dir))).collect())
}

fn open(root: &Root, directory: &str) -> Result<Option<Dir>> {
    match root.directory(Path::new(directory)) {
        Err(error) if error.is_not_found() => Ok(None),
        other => other.and_then(|dir| dir.reopen()).map(Some),
    }
}

/// The directories of links that the `[Install]` of a unit's text asks for; what follows "\" at a line's end belongs to it.
fn install(text: &str) -> Result<Vec<String>> {
    let text = text.replace("\\\n", " ");
    let mut directories = Vec::new();
    let mut inside = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        if line.starts_with('[') {
            inside = line == "[Install]";
        } else if inside {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            asked(&mut directories, key.trim(), value.trim())?;
        }
    }
    match directories.is_empty() {
        true => Err(Error::invalid("its [Install] names no target that would start it (WantedBy=)")),
        false => Ok(directories),
    }
}

fn asked(directories: &mut Vec<String>, key: &str, value: &str) -> Result<()> {
    let unknown =
        || Error::invalid(format!("its [Install] says \"{key}={value}\", which only systemctl enable can do"));
    let (_, ending) = KINDS.iter().find(|(known, _)| *known == key).ok_or_else(unknown)?;
    if value.is_empty() {
        directories.retain(|directory| !directory.ends_with(ending));
    }
    for target in value.split_whitespace() {
        if target.starts_with('.') || target.contains(['/', '%', '"', '\'']) {
            return Err(unknown());
        }
        directories.push(format!("{target}{ending}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::tree::Scratch;
    use std::fs;
    use std::os::unix::fs::symlink;

    const UNIT: &str = "sdme@web.service";
    const TEMPLATE: &str = "/usr/lib/systemd/system/sdme@.service";

    fn stand(label: &str) -> (Scratch, Root) {
        let scratch = Scratch::new(label);
        fs::create_dir_all(scratch.path().join("usr/lib/systemd/system")).unwrap();
        fs::write(scratch.path().join(&TEMPLATE[1..]), "[Install]\nWantedBy=machines.target\n").unwrap();
        let root = Root::open_path(scratch.path()).unwrap();
        (scratch, root)
    }

    #[test]
    fn install_sections() {
        let cases = [
            (
                "[Unit]\nWantedBy=a\n[Install]\n# x\nWantedBy=a.target \\\n b.target\nRequiredBy=c.target\n",
                "a.target.wants b.target.wants c.target.requires",
            ),
            ("[Install]\nWantedBy=a.target\nWantedBy=\nWantedBy = b.target\n[Service]\nAlias=x\n", "b.target.wants"),
        ];
        for (text, directories) in cases {
            assert_eq!(install(text).unwrap().join(" "), directories);
        }
        for text in [
            "",
            "[Install]\n",
            "[Install]\nAlias=x.service\n",
            "[Install]\nWantedBy=a@%i.target\n",
            "[Install]\nWantedBy=../x\n",
            "[Install]\nWantedBy=a/b\n",
        ] {
            assert_eq!(*install(text).unwrap_err().kind(), Kind::Invalid, "{text:?}");
        }
    }

    #[test]
    fn a_link_is_made_once_and_removed_with_its_directory() {
        let (scratch, root) = stand("links-once");
        let template = find(&root, "sdme@.service").unwrap().unwrap();
        assert_eq!(template, Path::new(TEMPLATE));
        for _ in 0..2 {
            enable(&root, UNIT, &template).unwrap();
        }
        let link = scratch.path().join("etc/systemd/system/machines.target.wants").join(UNIT);
        assert_eq!(fs::read_link(&link).unwrap(), Path::new(TEMPLATE));
        assert!(enabled(&root).unwrap().contains(UNIT));
        assert!(disable(&root, UNIT).unwrap() && !disable(&root, UNIT).unwrap());
        assert!(!link.parent().unwrap().exists() && enabled(&root).unwrap().is_empty());
    }

    #[test]
    fn what_is_in_the_way_stays() {
        let (scratch, root) = stand("links-way");
        let wants = scratch.path().join("etc/systemd/system/machines.target.wants");
        fs::create_dir_all(&wants).unwrap();
        symlink("/usr/lib/systemd/system/other.service", wants.join(UNIT)).unwrap();
        assert_eq!(*enable(&root, UNIT, Path::new(TEMPLATE)).unwrap_err().kind(), Kind::Exists);
        fs::remove_file(wants.join(UNIT)).unwrap();
        fs::write(wants.join(UNIT), "a file").unwrap();
        assert_eq!(*enable(&root, UNIT, Path::new(TEMPLATE)).unwrap_err().kind(), Kind::Exists);
        assert!(!disable(&root, UNIT).unwrap() && wants.join(UNIT).exists());
    }

    #[test]
    fn a_mask_is_told_and_no_name_leads_out_of_the_tree() {
        let (scratch, root) = stand("links-out");
        let outside = Scratch::new("links-outside");
        let system = scratch.path().join("etc/systemd/system");
        fs::create_dir_all(&system).unwrap();
        symlink(outside.path(), system.join("machines.target.wants")).unwrap();
        assert!(enable(&root, UNIT, Path::new(TEMPLATE)).is_err());
        fs::write(outside.path().join(UNIT), "").unwrap();
        assert!(!enabled(&root).unwrap().contains(UNIT) && !disable(&root, UNIT).unwrap());
        symlink(MASK, system.join("sdme@.service")).unwrap();
        assert!(find(&root, "sdme@.service").unwrap_err().to_string().contains("masked"));
        assert_eq!(outside.dir().entries(9).unwrap().len(), 1);
    }
}
