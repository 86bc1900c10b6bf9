//! Match rules ("Message Bus Message Routing"): which signals are wanted. The same rule is sent to a broker and applied
//! to what arrives, so that a peer without a broker is filtered alike; pure.

use crate::dbus::header::Kind;
use crate::dbus::message::Message;
use crate::dbus::value::Value;

/// Signals of one member; what is `None` may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// A name that the broker resolves. Not applied here: signals carry the unique name of their sender.
    pub sender: Option<String>,
    pub path: Option<String>,
    pub interface: String,
    pub member: String,
    /// The first argument, when it is a string.
    pub first: Option<String>,
}

impl Rule {
    pub fn signal(sender: &str, interface: &str, member: &str) -> Rule {
        Rule {
            sender: Some(sender.to_string()),
            path: None,
            interface: interface.to_string(),
            member: member.to_string(),
            first: None,
        }
    }

    pub fn at(mut self, path: &str) -> Rule {
        self.path = Some(path.to_string());
        self
    }

    pub fn about(mut self, first: &str) -> Rule {
        self.first = Some(first.to_string());
        self
    }

    pub fn matches(&self, message: &Message) -> bool {
        let first = match message.body.first() {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        message.header.kind == Kind::Signal
            && message.header.interface.as_ref() == Some(&self.interface)
            && message.header.member.as_ref() == Some(&self.member)
            && (self.path.is_none() || self.path == message.header.path)
            && (self.first.is_none() || self.first.as_ref() == first)
    }

    /// As AddMatch takes it.
    pub fn render(&self) -> String {
        let mut text = "type='signal'".to_string();
        let keys = [
            ("sender", self.sender.as_deref()),
            ("path", self.path.as_deref()),
            ("interface", Some(&*self.interface)),
            ("member", Some(&*self.member)),
            ("arg0", self.first.as_deref()),
        ];
        for (key, value) in keys.iter().filter_map(|(key, value)| Some((key, (*value)?))) {
            text.push_str(&format!(",{key}='{}'", value.replace('\'', "'\\''")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(path: &str, member: &str, first: &str) -> Message {
        let mut message = Message::call(path, "a.B", member).with(first);
        message.header.kind = Kind::Signal;
        message
    }

    #[test]
    fn a_rule_matches_what_it_says() {
        let rule = Rule::signal("x.y", "a.B", "Gone").at("/p").about("web");
        assert!(rule.matches(&signal("/p", "Gone", "web")));
        assert!(!rule.matches(&signal("/q", "Gone", "web")));
        assert!(!rule.matches(&signal("/p", "New", "web")));
        assert!(!rule.matches(&signal("/p", "Gone", "db")));
        assert!(!rule.matches(&Message::call("/p", "a.B", "Gone").with("web")));
    }

    #[test]
    fn the_text_of_a_rule_is_quoted() {
        let rule = Rule::signal("x.y", "a.B", "Gone").about("o'neil,type='error'");
        let expected = r"type='signal',sender='x.y',interface='a.B',member='Gone',arg0='o'\''neil,type='\''error'\'''";
        assert_eq!(rule.render(), expected);
    }
}
