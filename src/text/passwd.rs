//! passwd(5) and group(5): who a user of a tree is. Pure; names from other sources (LDAP, homed) are not known here.

/// Longest passwd or group file that is read: a hundred thousand users.
pub const FILE_MAX: usize = 8 << 20;
/// Supplementary groups that are taken over, at most; more than anybody has.
pub const GROUPS_MAX: usize = 1024;

const SHELL: &str = "/bin/sh";

/// A line of passwd, without the fields nobody uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// Absolute.
    pub home: String,
    /// Absolute.
    pub shell: String,
}

impl User {
    /// Root as every system has it, for a tree whose passwd is gone or broken.
    pub fn root() -> User {
        User { name: "root".into(), uid: 0, gid: 0, home: "/root".into(), shell: SHELL.into() }
    }
}

/// The first user called `who`; else, when `who` is a number, the first with that uid. Lines that are none are passed over.
pub fn lookup(passwd: &[u8], who: &str) -> Option<User> {
    let uid = who.parse::<u32>().ok();
    lines(passwd).filter_map(user).find(|user| user.name == who).or_else(|| {
        let uid = uid?;
        lines(passwd).filter_map(user).find(|user| user.uid == uid)
    })
}

/// The groups whose member lists hold `name`, its own group not among them unless listed; at most [`GROUPS_MAX`].
pub fn supplementary(group: &[u8], name: &str) -> Vec<u32> {
    let mut groups: Vec<u32> = lines(group).filter_map(|line| membership(line, name)).collect();
    groups.sort_unstable();
    groups.dedup();
    groups.truncate(GROUPS_MAX);
    groups
}

fn lines(text: &[u8]) -> impl Iterator<Item = &str> {
    text.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok())
}

fn user(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _password, uid, gid, _gecos, home, shell] = fields[..] else {
        return None;
    };
    if name.is_empty() || name.starts_with(['+', '-', '#']) || line.contains(char::is_control) {
        return None;
    }
    Some(User {
        name: name.to_string(),
        uid: uid.parse().ok().filter(is_id)?,
        gid: gid.parse().ok().filter(is_id)?,
        home: absolute_or(home, "/"),
        shell: absolute_or(shell, SHELL),
    })
}

fn membership(line: &str, name: &str) -> Option<u32> {
    let fields: Vec<&str> = line.split(':').collect();
    let [_name, _password, gid, members] = fields[..] else {
        return None;
    };
    members.split(',').find(|member| !member.is_empty() && *member == name)?;
    gid.parse().ok().filter(is_id)
}

/// The largest number means "no id" to the kernel.
fn is_id(id: &u32) -> bool {
    *id != u32::MAX
}

fn absolute_or(path: &str, default: &str) -> String {
    if path.starts_with('/') { path.to_string() } else { default.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/bash\n\
        short:x:1\n\
        +nis::::::\n\
        bin:x:2:2:\xff\xfe:/bin:/bin/sh\n\
        alice:x:1000:1000:Alice,,,:/home/alice:/usr/bin/zsh\n\
        1000:x:77:77::/seventy:/bin/sh\n\
        bare:x:5:6:::\n\
        nobody:x:4294967295:1::/:/bin/sh\n\
        neg:x:-1:1::/:/bin/sh\n\
        cut:x:9:9::/home/cut:/bin/sh";

    #[test]
    fn users_are_found_by_name_and_by_number() {
        let alice = lookup(PASSWD, "alice").unwrap();
        assert_eq!((alice.uid, alice.gid, alice.home.as_str()), (1000, 1000, "/home/alice"));
        assert_eq!(alice.shell, "/usr/bin/zsh");
        assert_eq!(lookup(PASSWD, "0").unwrap().name, "root");
        assert_eq!(lookup(PASSWD, "1000").unwrap().uid, 77, "a name that looks like a number is a name first");
        assert_eq!(lookup(PASSWD, "cut").unwrap().uid, 9, "the last line needs no newline");
    }

    #[test]
    fn what_is_no_user_is_not_found() {
        for who in ["", "short", "bin", "+nis", "nobody", "neg", "4294967295", "-1", "rooT", "root:x"] {
            assert_eq!(lookup(PASSWD, who), None, "{who:?}");
        }
    }

    #[test]
    fn empty_home_and_shell_have_defaults() {
        let bare = lookup(PASSWD, "bare").unwrap();
        assert_eq!((bare.home.as_str(), bare.shell.as_str()), ("/", "/bin/sh"));
    }

    #[test]
    fn groups_are_those_that_list_the_user() {
        let group = b"root:x:0:\nsudo:x:27:alice,bob\nadm:x:4:bob,alice\nx:x:9:alicia\nbad:x:y:alice\nadm2:x:4:alice\n";
        assert_eq!(supplementary(group, "alice"), [4, 27]);
        assert!(supplementary(group, "").is_empty(), "an empty list has no member");
    }

    #[test]
    fn the_number_of_groups_is_bounded() {
        let many: String = (0..3000).map(|gid| format!("g{gid}:x:{gid}:alice\n")).collect();
        assert_eq!(supplementary(many.as_bytes(), "alice").len(), GROUPS_MAX);
    }
}
