//! POSIX.1e ACLs as text (acl_to_text(3); star's form with a fourth field for the number) into the value of the extended
//! attributes system.posix_acl_access and system.posix_acl_default (linux/posix_acl_xattr.h). Pure and total.
//!
//! Names mean nothing here: they are another system's. An entry whose user or group has no number is left out, if that
//! takes rights away and gives none; else the ACL is refused.

use crate::error::{Error, Result};

const VERSION: u32 = 2;
const NO_ID: u32 = u32::MAX;

/// The kernel's tags, in the order in which it wants them.
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    entries: Vec<Entry>,
    /// Users and groups that have no number, as they stand in the text.
    pub left_out: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    tag: u16,
    id: u32,
    permissions: u16,
}

impl Acl {
    pub fn parse(text: &[u8]) -> Result<Acl> {
        let (mut entries, mut nameless, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        let words =
            text.split(|byte| *byte == b'\n').flat_map(|line| without_comment(line).split(|byte| *byte == b','));
        for word in words.map(<[u8]>::trim_ascii).filter(|word| !word.is_empty()) {
            let refused = || Error::invalid(format!("{:?} is no entry of an ACL", String::from_utf8_lossy(word)));
            match entry(word).ok_or_else(refused)? {
                (entry, true) => entries.push(entry),
                (entry, false) => {
                    nameless.push(entry);
                    left_out.push(String::from_utf8_lossy(word).into_owned());
                }
            }
        }
        entries.sort_unstable();
        let acl = Acl { entries, left_out };
        acl.check(&nameless)?;
        Ok(acl)
    }

    /// What acl_valid(3) asks for; and nobody may gain by what is left out.
    fn check(&self, nameless: &[Entry]) -> Result<()> {
        let of = |tag: u16| self.entries.iter().filter(move |entry| entry.tag == tag);
        for (tag, what) in [(USER_OBJ, "user::"), (GROUP_OBJ, "group::"), (OTHER, "other::")] {
            if of(tag).count() != 1 {
                return Err(Error::invalid(format!("an ACL with {} entries {what}", of(tag).count())));
            }
        }
        let named = !nameless.is_empty() || of(USER).chain(of(GROUP)).next().is_some();
        if of(MASK).count() > 1 || named && of(MASK).next().is_none() {
            return Err(Error::invalid(format!("an ACL with {} masks", of(MASK).count())));
        }
        let twice = self.entries.windows(2).any(|pair| matches!(pair, [a, b] if (a.tag, a.id) == (b.tag, b.id)));
        if twice {
            return Err(Error::invalid("an ACL that names somebody twice"));
        }
        let mask = of(MASK).map(|entry| entry.permissions).next().unwrap_or(7);
        let others = of(OTHER).fold(0, |all, entry| all | entry.permissions);
        let groups = of(GROUP_OBJ).chain(of(GROUP)).fold(0, |all, entry| all | entry.permissions & mask);
        for (entry, text) in nameless.iter().zip(&self.left_out) {
            let fallback = if entry.tag == USER { others | groups } else { others };
            if fallback & !(entry.permissions & mask) != 0 {
                return Err(Error::invalid(format!(
                    "{text:?} of an ACL forbids something to one who has no number here"
                )));
            }
        }
        Ok(())
    }

    /// Whether it says no more than the mode does.
    pub fn is_minimal(&self) -> bool {
        self.entries.len() == 3
    }

    /// The value of the extended attribute.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = VERSION.to_le_bytes().to_vec();
        for entry in &self.entries {
            value.extend(entry.tag.to_le_bytes());
            value.extend(entry.permissions.to_le_bytes());
            value.extend(entry.id.to_le_bytes());
        }
        value
    }
}

/// The permission bits that an access ACL's value brings along, as the kernel takes them (posix_acl_equiv_mode): the
/// group's are the mask's. None when it is no such value.
pub fn mode(value: &[u8]) -> Option<u32> {
    let entries = value.strip_prefix(&VERSION.to_le_bytes())?;
    let (mut owner, mut group, mut mask, mut other) = (None, None, None, None);
    for entry in entries.chunks(8) {
        let [tag, tag_high, permissions, _, _, _, _, _] = *entry else { return None };
        let place = match u16::from_le_bytes([tag, tag_high]) {
            USER_OBJ => &mut owner,
            GROUP_OBJ => &mut group,
            MASK => &mut mask,
            OTHER => &mut other,
            _ => continue,
        };
        *place = Some(u32::from(permissions & 7));
    }
    Some(owner? << 6 | mask.or(group)? << 3 | other?)
}

/// acl_to_text tells effective rights behind a number sign.
fn without_comment(line: &[u8]) -> &[u8] {
    line.split(|byte| *byte == b'#').next().unwrap_or_default()
}

/// An entry, and whether it is known who is meant.
fn entry(word: &[u8]) -> Option<(Entry, bool)> {
    let word = word.strip_prefix(b"default:").unwrap_or(word);
    let fields: Vec<&[u8]> = word.split(|byte| *byte == b':').take(5).collect();
    let (kind, name, permissions, number) = match fields[..] {
        // Solaris and star: no name where there can be none.
        [kind @ (b"mask" | b"m" | b"other" | b"o"), permissions] => (kind, &b""[..], permissions, None),
        [kind, name, permissions] => (kind, name, permissions, None),
        [kind, name, permissions, number] => (kind, name, permissions, Some(number)),
        _ => return None,
    };
    let permissions = rights(permissions)?;
    let tag = match (kind, name.is_empty() && number.is_none_or(<[u8]>::is_empty)) {
        (b"user" | b"u", true) => USER_OBJ,
        (b"user" | b"u", false) => USER,
        (b"group" | b"g", true) => GROUP_OBJ,
        (b"group" | b"g", false) => GROUP,
        (b"mask" | b"m", true) => MASK,
        (b"other" | b"o", true) => OTHER,
        _ => return None,
    };
    if !matches!(tag, USER | GROUP) {
        return Some((Entry { tag, id: NO_ID, permissions }, true));
    }
    let number = number.filter(|number| !number.is_empty());
    let id = match number {
        Some(number) => Some(super::pax::owner(number)?),
        None if name.iter().all(u8::is_ascii_digit) => Some(super::pax::owner(name)?),
        None => None,
    };
    Some((Entry { tag, id: id.unwrap_or(NO_ID), permissions }, id.is_some()))
}

/// `r`, `w` and `x` with `-` for what is missing, in any order.
fn rights(text: &[u8]) -> Option<u16> {
    if text.is_empty() || text.len() > 3 {
        return None;
    }
    text.iter().try_fold(0, |all, byte| match byte {
        b'r' => Some(all | 4),
        b'w' => Some(all | 2),
        b'x' => Some(all | 1),
        b'-' => Some(all),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As getfattr -e hex shows it for: setfacl -m u:5:rwx,g:4:r (mode 0644).
    const VALUE: &[u8] = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x07\0\x05\0\0\0\x04\0\x04\0\xff\xff\xff\xff\
        \x08\0\x04\0\x04\0\0\0\x10\0\x07\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";

    #[test]
    fn every_writers_form_has_the_same_value() {
        for text in [
            "user::rw-\nuser:5:rwx\t#effective:rwx\ngroup::r--\ngroup:4:r--\nmask::rwx\nother::r--\n",
            "user::rw-,group::r--,other::r--,user:games:rwx:5,group:adm:r--:4,mask::rwx",
            "u::rw-,u:5:rwx,g::r--,g:4:r--,m::rwx,o::r--",
            "user::rw-,user::rwx:5,group::r,group:adm:r:4,mask:rwx,other:r--,",
            "default:user::rw-\ndefault:user:5:rwx\ndefault:group::r--\ndefault:group:4:r--\ndefault:mask::rwx\ndefault:other::r--",
        ] {
            let acl = Acl::parse(text.as_bytes()).unwrap();
            assert_eq!(acl.encode(), VALUE, "{text:?}");
            assert!(!acl.is_minimal() && acl.left_out.is_empty());
        }
        assert!(Acl::parse(b"user::rw-\ngroup::r--\nother::---\n").unwrap().is_minimal());
    }

    #[test]
    fn the_mask_is_the_groups_share_of_the_mode() {
        assert_eq!(mode(VALUE), Some(0o674));
        assert_eq!(mode(&Acl::parse(b"user::rwx,group::r-x,other::--x").unwrap().encode()), Some(0o751));
        for cut in 0..VALUE.len() {
            assert_eq!(mode(&VALUE[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn who_has_no_number_is_left_out_if_nobody_gains() {
        let acl = Acl::parse(b"user::rw-,user:bob:rwx,user:5:rwx,group::r--,group:4:r--,mask::rwx,other::r--").unwrap();
        assert_eq!((acl.encode(), acl.left_out), (VALUE.to_vec(), vec!["user:bob:rwx".to_string()]));
        for text in [
            "user::rw-,user:bob:---,group::r--,mask::rwx,other::---",
            "user::rw-,user:bob:---,group::---,mask::rwx,other::r--",
            "user::rw-,group:them:---,group::---,mask::rwx,other::r--",
            "user::rw-,user:bob:r--,group::---,group:4:rw-,mask::rwx,other::---",
            "user::rw-,user:bob:rwx,group::r--,mask::---,other::r--",
        ] {
            assert!(Acl::parse(text.as_bytes()).unwrap_err().to_string().contains("forbids"), "{text:?}");
        }
    }

    #[test]
    fn what_the_kernel_would_not_take_is_refused() {
        for text in [
            "",
            "user::rw-,group::r--",
            "user::rw-,user::rw-,group::r--,other::r--",
            "user::rw-,user:5:rwx,group::r--,other::r--",
            "user::rw-,user:5:rwx,user:5:r--,group::r--,mask::rwx,other::r--",
            "user::rw-,group::r--,other::r--,mask::rwx,mask::rwx",
            "user::rw-,group::r--,other:bob:r--",
            "user::rwz,group::r--,other::r--",
            "user::rwxr,group::r--,other::r--",
            "user::,group::r--,other::r--",
            "user:4294967295:rwx,user::rw-,group::r--,mask::rwx,other::r--",
            "user:x:rwx:-1,user::rw-,group::r--,mask::rwx,other::r--",
            "user:x:rwx:5:6,user::rw-,group::r--,mask::rwx,other::r--",
            "evil::rwx,user::rw-,group::r--,other::r--",
            "\0",
        ] {
            assert!(Acl::parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
