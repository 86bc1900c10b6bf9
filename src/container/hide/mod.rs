//! What a container must not get from the tree beneath it: hidden in its uppers before every mount, from what the
//! host has at that moment. Doing it twice changes nothing, and what the guest wrote is never undone. It hides from
//! accidents and from the guest's unprivileged users; a guest's root is root.

mod fill;
mod host;
pub mod table;
mod tree;
mod upper;

use crate::container::state::{Rootfs, Services, State};
use crate::error::{Context, Result};
use crate::paths::Paths;
use crate::sys::dir::Dir;
use crate::sys::meta::Kind;
pub use host::Host;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use table::{Action, Rule, Scope, Seed, TABLE};
use tree::Tree;

/// Where distributions keep what is the same on every machine: a link that leads there shows no secret.
const VENDOR: [&str; 3] = ["/usr", "/nix", "/gnu"];

/// Beside the outermost upper: the container has been given its own files once.
const DONE: &str = "seeded";

/// One layer, as this module sees it.
pub struct Place {
    pub mountpoint: PathBuf,
    /// The lower directory without what is mounted on it.
    pub lower: Dir,
    pub upper: Dir,
    /// A directory on the upper's filesystem in which things are made before they get their names.
    pub build: Dir,
}

/// The directories that a clone gets none of the files of: what is mounted there need not be followed. The datadir is among
/// them.
pub fn directories(paths: &Paths) -> Vec<PathBuf> {
    let is_whole = |rule: &&Rule| {
        matches!(rule.scope, Scope::Host | Scope::Every)
            && matches!(rule.action, Action::Whiteout | Action::Empty | Action::Skeleton)
    };
    let named = TABLE.iter().filter(is_whole).flat_map(|rule| rule.paths).map(PathBuf::from);
    let exact = named.filter(|path| !tree::is_pattern(path.as_os_str()));
    exact.chain([paths.datadir().to_path_buf()]).collect()
}

/// Applies the table. The first of `places` is that of `/`.
pub fn apply(state: &State, places: &[Place], host: &Host) -> Result<()> {
    let mut again = false;
    for place in places {
        upper::clear(&place.build)?;
        again |= place.build.lookup(DONE)?.is_some();
    }
    let mut hiding = Hiding { state, host, tree: Tree::new(places), exact: exact_paths(), again };
    for rule in rules(state) {
        for path in rule.paths {
            hiding.rule(rule.action, Path::new(path)).with_context(|| format!("hiding {path:?} of the host"))?;
        }
    }
    for path in &host.hidden {
        hiding.exactly(Action::Whiteout, path).with_context(|| format!("hiding {path:?} of the host"))?;
    }
    hiding.tree.settle()?;
    match places.first() {
        Some(place) if !again => place.build.create_file(DONE, 0o600).map(drop),
        _ => Ok(()),
    }
}

/// The rules that hold for a container.
pub fn rules(state: &State) -> impl Iterator<Item = &'static Rule> {
    TABLE.iter().filter(|rule| holds(rule.scope, state))
}

fn holds(scope: Scope, state: &State) -> bool {
    let clone = state.rootfs == Rootfs::Host;
    match scope {
        Scope::Every => true,
        Scope::Host => clone,
        Scope::Basic => clone && state.services == Services::Basic,
        Scope::Services => clone && state.services == Services::Host,
    }
}

fn exact_paths() -> BTreeSet<&'static Path> {
    TABLE.iter().flat_map(|rule| rule.paths).map(Path::new).collect()
}

struct Hiding<'a> {
    state: &'a State,
    host: &'a Host,
    tree: Tree<'a>,
    exact: BTreeSet<&'static Path>,
    /// Whether this is not the first boot.
    again: bool,
}

impl Hiding<'_> {
    fn rule(&mut self, action: Action, path: &Path) -> Result<()> {
        for path in self.expand(path)? {
            self.name(action, &path)?;
        }
        Ok(())
    }

    /// The same for a path in which nothing is a pattern.
    fn exactly(&mut self, action: Action, path: &Path) -> Result<()> {
        match self.tree.resolve(path, false)? {
            Some(path) => self.name(action, &path),
            None => Ok(()),
        }
    }

    /// The paths that a pattern means now, their parents resolved.
    fn expand(&mut self, pattern: &Path) -> Result<Vec<PathBuf>> {
        let mut paths = vec![PathBuf::from("/")];
        for name in pattern.iter().skip(1) {
            let mut longer = Vec::new();
            for path in &paths {
                longer.extend(self.longer(path, name)?);
            }
            paths = longer;
        }
        Ok(paths)
    }

    fn longer(&mut self, path: &Path, name: &OsStr) -> Result<Vec<PathBuf>> {
        if !tree::is_pattern(name) {
            return Ok(self.tree.resolve(&path.join(name), false)?.into_iter().collect());
        }
        let Some(path) = self.tree.resolve(path, true)? else { return Ok(Vec::new()) };
        let entries = self.tree.entries(&path)?;
        let fitting = entries.iter().filter(|entry| tree::matches(name.as_bytes(), entry.name.as_bytes()));
        Ok(fitting.map(|entry| path.join(&entry.name)).collect())
    }

    /// One name. A symlink holds no secret: what it leads to is hidden where it really is.
    fn name(&mut self, action: Action, path: &Path) -> Result<()> {
        let is_link = self.tree.lookup(path)?.is_some_and(|meta| meta.kind == Kind::Symlink);
        if !is_link || matches!(action, Action::Seed(_)) {
            return self.place(action, path);
        }
        let real = self.tree.resolve(path, true)?;
        if let Some(real) = &real {
            // The rule for that path says what is to be there.
            if self.exact.contains(real.as_path()) {
                return Ok(());
            }
            if !is_vendor(real) && self.is_hideable(real)? {
                self.place(action, real)?;
            }
        }
        match action {
            Action::Whiteout if real.as_deref() != Some(Path::new("/dev/null")) => self.place(action, path),
            _ => Ok(()),
        }
    }

    fn is_hideable(&mut self, path: &Path) -> Result<bool> {
        let kind = self.tree.lookup(path)?.map(|meta| meta.kind);
        Ok(matches!(kind, Some(Kind::File | Kind::Directory)))
    }

    fn place(&mut self, action: Action, path: &Path) -> Result<()> {
        if self.tree.layer_at(path).is_some() {
            return self.layer(action, path);
        }
        match action {
            Action::Whiteout => self.whiteout(path),
            Action::Seed(seed) => self.seed(seed, path),
            _ => self.directory(action, path),
        }
    }

    /// The root of a layer cannot be opaque: each name in it is hidden.
    fn layer(&mut self, action: Action, path: &Path) -> Result<()> {
        for entry in self.tree.entries(path)? {
            let path = path.join(&entry.name);
            match (action, self.tree.lookup(&path)?) {
                (Action::Skeleton, Some(meta)) if meta.is_dir() => self.directory(action, &path)?,
                (Action::Keep(names), _) if names.iter().any(|name| entry.name == *name) => {}
                _ => self.whiteout(&path)?,
            }
        }
        Ok(())
    }

    fn whiteout(&mut self, path: &Path) -> Result<()> {
        if self.tree.upper_has(path)? {
            return Ok(());
        }
        if let Some(spot) = self.tree.spot(path)? {
            upper::whiteout(&spot)?;
        }
        self.tree.forget(path);
        Ok(())
    }

    fn directory(&mut self, action: Action, path: &Path) -> Result<()> {
        if !self.tree.lookup(path)?.is_some_and(|meta| meta.is_dir()) {
            // A file, or nothing yet: what comes under this name is hidden too.
            return self.whiteout(path);
        }
        let mounted = self.host.mounted.iter().find(|(mountpoint, _)| mountpoint == path).map(|(_, dir)| dir);
        let Some(spot) = self.tree.spot(path)? else { return Ok(()) };
        let lower = spot.lower.subdir(spot.name)?;
        let source = mounted.unwrap_or(&lower);
        upper::make_opaque(&spot, source, |dir| match action {
            Action::Skeleton => fill::skeleton(source, dir),
            Action::Keep(names) => fill::keep(names, source, dir),
            Action::Masks => fill::masks(source, dir),
            _ => Ok(()),
        })?;
        self.tree.forget(path);
        Ok(())
    }

    /// A file that only the container had, and has no more, its guest removed.
    fn seed(&mut self, seed: Seed, path: &Path) -> Result<()> {
        if self.tree.upper_has(path)? || (self.again && self.tree.lookup(path)?.is_none()) {
            return Ok(());
        }
        let (content, mode) = content(seed, self.state);
        match self.tree.spot(path)? {
            Some(spot) => upper::write(&spot, &content, mode),
            None => Ok(()),
        }
    }
}

fn is_vendor(path: &Path) -> bool {
    VENDOR.iter().any(|vendor| path.starts_with(vendor)) && !path.starts_with("/usr/local")
}

/// The text of a file of the container's own, and its mode.
fn content(seed: Seed, state: &State) -> (String, u32) {
    let name = &state.name;
    match seed {
        Seed::MachineId => (format!("{}\n", state.machine_id.as_deref().unwrap_or_default()), 0o444),
        Seed::Hostname => (format!("{name}\n"), 0o644),
        Seed::Hosts => {
            (format!("127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost ip6-loopback\n"), 0o644)
        }
        Seed::Comment => ("# The host's is not carried into its clones by sdme.\n".to_string(), 0o644),
    }
}
