//! The rules that ship with Upswell: the default rules, and others that replace some of their chapters.

use std::borrow::Cow;

/// The default rules pack, as text.
pub const DEFAULT: &str = include_str!("default.yaml");

/// Rules that ship with Upswell. Their name can be used wherever a rules file is expected.
#[derive(Clone, Copy, Debug)]
pub struct Pack {
    /// The name.
    pub name: &'static str,
    /// For whom they are.
    pub about: &'static str,
    /// The chapters in which they differ from the default pack.
    own: &'static str,
}

/// Every pack that ships with Upswell, the default one first.
pub const PACKS: [Pack; 4] = [
    Pack { name: "default", about: "A product with paying customers and a sales team", own: "" },
    Pack {
        name: "early",
        about: "A company with its first customers, whose founders talk to everybody",
        own: include_str!("profiles/early.yaml"),
    },
    Pack {
        name: "mature",
        about: "Many customers, and a sales team divided by segment, at 200 and 1000 employees",
        own: include_str!("profiles/mature.yaml"),
    },
    Pack {
        name: "from-sales-led",
        about: "A company with outbound sales that adds a self-serve product: target accounts come first",
        own: include_str!("profiles/from-sales-led.yaml"),
    },
];

/// The whole text of the pack of that name, as a complete rules file.
pub fn pack(name: &str) -> Option<Cow<'static, str>> {
    let pack = PACKS.iter().find(|pack| pack.name == name)?;
    if pack.own.is_empty() {
        return Some(Cow::Borrowed(DEFAULT));
    }
    let own = chapters(pack.own);
    let text = chapters(DEFAULT).into_iter().map(|(key, chapter)| match own.iter().find(|(other, _)| *other == key) {
        // What parts a chapter from the next stays as it is.
        Some((_, instead)) => format!("{}{}", instead.trim_end(), &chapter[chapter.trim_end().len()..]),
        None => chapter.to_owned(),
    });
    Some(Cow::Owned(text.collect()))
}

/// The chapters of a rules file with their keys. A chapter begins at a key in the first column; comments directly above
/// it are its own.
pub(super) fn chapters(text: &str) -> Vec<(&str, &str)> {
    let mut begins: Vec<(&str, usize)> = Vec::new();
    let (mut place, mut comment) = (0, None);
    for line in text.split_inclusive('\n') {
        match line.split_once(':') {
            _ if line.starts_with('#') => {
                comment.get_or_insert(place);
            }
            Some((key, _)) if line.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                begins.push((key, comment.take().unwrap_or(place)));
            }
            _ => comment = None,
        }
        place += line.len();
    }
    let ends = begins.iter().skip(1).map(|(_, begin)| *begin).chain([text.len()]);
    begins.iter().zip(ends).map(|((key, begin), end)| (*key, &text[*begin..end])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::parse;

    #[test]
    fn a_chapter_is_its_key_with_the_comments_above_it() {
        let text = "# of a\na: 1\n# within a\n\n# of b\n# too\nb:\n  # also\n  c: 2\nd: 3\n";
        let found = chapters(text);
        assert_eq!(
            found,
            [("a", "# of a\na: 1\n# within a\n\n"), ("b", "# of b\n# too\nb:\n  # also\n  c: 2\n"), ("d", "d: 3\n")]
        );
        assert_eq!(chapters(DEFAULT).iter().map(|(_, chapter)| *chapter).collect::<String>(), DEFAULT);
    }

    #[test]
    fn every_pack_is_the_default_one_but_for_its_own_chapters() {
        for Pack { name, own, .. } in PACKS {
            let text = pack(name).expect(name);
            let plan = parse(name, &text).unwrap_or_else(|error| panic!("{error}"));
            assert!(plan.version.starts_with(&format!("{name}@")), "{}", plan.version);
            let (own, found, default) = (chapters(own), chapters(&text), chapters(DEFAULT));
            assert_eq!(found.len(), default.len(), "{name}");
            for ((key, chapter), (_, usual)) in found.iter().zip(&default) {
                let is_own = own.iter().any(|(other, _)| other == key);
                assert_eq!(chapter != usual, is_own, "{name}: {key}");
            }
            assert!(own.iter().all(|(key, _)| default.iter().any(|(other, _)| other == key)), "{name}");
        }
        assert!(pack("earl").is_none());
    }
}
