//! Finds circles of imports between files. An import of a re-exported name counts as an import of the file that defines
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// A module by its path below the crate.
type Module = Vec<String>;

/// The names in a file.
#[derive(Default)]
struct Source {
    /// Paths as they are written.
    paths: BTreeSet<Vec<String>>,
    /// Names that `use` brings in, and the paths that they stand for.
    aliases: BTreeMap<String, Vec<String>>,
    /// Modules of which `use` brings in everything.
    globs: Vec<Vec<String>>,
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|it| it.path().is_ident("cfg") && it.parse_args::<syn::Path>().is_ok_and(|of| of.is_ident("test")))
}

impl Source {
    fn uses(&mut self, before: &mut Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.uses(before, &path.tree);
                before.pop();
            }
            UseTree::Name(name) if name.ident == "self" => self.alias(before.last().cloned(), before.clone()),
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.alias(Some(name.clone()), [&before[..], &[name]].concat());
            }
            UseTree::Rename(rename) => {
                let path = [&before[..], &[rename.ident.to_string()]].concat();
                self.alias(Some(rename.rename.to_string()), path);
            }
            UseTree::Glob(_) => self.globs.push(before.clone()),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.uses(before, tree)),
        }
    }

    fn alias(&mut self, name: Option<String>, path: Vec<String>) {
        self.paths.insert(path.clone());
        self.aliases.insert(name.unwrap_or_default(), path);
    }

    /// Adds paths in the arguments of a macro, which `syn` does not parse.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end(&mut path);
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end(&mut path);
                    self.tokens(group.stream());
                }
                _ => self.end(&mut path),
            }
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Vec<String>) {
        if path.len() > 1 {
            self.paths.insert(std::mem::take(path));
        }
        path.clear();
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(it) => &it.attrs,
            Item::Fn(it) => &it.attrs,
            Item::Use(it) => &it.attrs,
            Item::Impl(it) => &it.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.uses(&mut Vec::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.paths.insert(segments);
        }
        visit::visit_path(self, path);
    }

    // A visibility is not an import.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_macro(&mut self, it: &'ast syn::Macro) {
        self.tokens(it.tokens.clone());
    }
}

/// The files of a crate.
pub(crate) struct Files {
    sources: BTreeMap<Module, Source>,
}

impl Files {
    /// Reads the sources of a folder: their paths below it, and their texts.
    pub(crate) fn new<'a>(sources: impl Iterator<Item = (&'a Path, &'a str)>) -> Files {
        let read = |(path, text): (&Path, &str)| {
            let mut module: Module =
                path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.last().is_some_and(|last| last == "mod" || last == "lib") {
                module.pop();
            }
            let mut source = Source::default();
            source.visit_file(&syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
            (module, source)
        };
        Files { sources: sources.map(read).collect() }
    }

    /// The file that defines what a path names, as it is written in a module; none outside the crate.
    fn file_of(&self, module: &[String], path: &[String], depth: usize) -> Option<Module> {
        let source = self.sources.get(module)?;
        let (first, rest) = path.split_first()?;
        if depth > 16 {
            return None;
        }
        match first.as_str() {
            "crate" => self.descend(Vec::new(), rest, depth),
            "self" => self.descend(module.to_vec(), rest, depth),
            "super" => {
                let above = rest.iter().take_while(|part| *part == "super").count();
                let module = module.get(..module.len().checked_sub(1 + above)?)?;
                self.descend(module.to_vec(), &rest[above..], depth)
            }
            _ => match source.aliases.get(first) {
                Some(alias) if alias[..] != path[..] => self.file_of(module, &[&alias[..], rest].concat(), depth + 1),
                _ => {
                    let child = [module, std::slice::from_ref(first)].concat();
                    self.sources.contains_key(&child).then(|| self.descend(child, rest, depth)).flatten()
                }
            },
        }
    }

    fn descend(&self, module: Module, path: &[String], depth: usize) -> Option<Module> {
        let Some((first, rest)) = path.split_first() else { return Some(module) };
        let child = [&module[..], std::slice::from_ref(first)].concat();
        if self.sources.contains_key(&child) {
            return self.descend(child, rest, depth);
        }
        let source = self.sources.get(&module)?;
        let passed_on = source.aliases.get(first).and_then(|alias| self.file_of(&module, alias, depth + 1));
        let in_globs = || {
            let of = |glob: &Vec<String>| {
                self.file_of(&module, &[&glob[..], std::slice::from_ref(first)].concat(), depth + 1)
            };
            source.globs.iter().find_map(of)
        };
        Some(passed_on.or_else(in_globs).unwrap_or(module))
    }

    /// The files that a file needs.
    fn needs(&self, module: &Module) -> BTreeSet<Module> {
        let source = &self.sources[module];
        let all = source.paths.iter().chain(&source.globs);
        all.filter_map(|path| self.file_of(module, path, 0)).filter(|file| file != module).collect()
    }

    /// The circles among the files, each as the names of its files.
    pub(crate) fn circles(&self) -> Vec<String> {
        let needs: BTreeMap<&Module, BTreeSet<Module>> = self.sources.keys().map(|it| (it, self.needs(it))).collect();
        let mut found = BTreeSet::new();
        for start in self.sources.keys() {
            // Breadth first: the shortest way back.
            let (mut ways, mut next) = (BTreeMap::from([(start.clone(), None::<Module>)]), vec![start.clone()]);
            while let Some(module) = (!next.is_empty()).then(|| next.remove(0)) {
                if needs[&module].contains(start) {
                    let mut circle = vec![module.join("/")];
                    let mut at = &module;
                    while let Some(Some(before)) = ways.get(at) {
                        circle.push(before.join("/"));
                        at = before;
                    }
                    circle.sort();
                    found.insert(circle.join(" ↔ "));
                    break;
                }
                for file in &needs[&module] {
                    if !ways.contains_key(file) {
                        ways.insert(file.clone(), Some(module.clone()));
                        next.push(file.clone());
                    }
                }
            }
        }
        found.into_iter().collect()
    }
}

#[test]
fn circles_are_found_through_what_modules_pass_on() {
    let circles =
        |sources: &[(&str, &str)]| Files::new(sources.iter().map(|(path, text)| (Path::new(*path), *text))).circles();
    let lib = ("lib.rs", "mod a; mod b;");
    assert_eq!(circles(&[lib, ("a.rs", "use crate::b::B; pub struct A;"), ("b.rs", "pub struct B;")]), [""; 0]);
    assert_eq!(circles(&[lib, ("a.rs", "use crate::b::B;"), ("b.rs", "fn f(_: &super::a::A) {}")]), ["a ↔ b"]);
    assert_eq!(circles(&[lib, ("a.rs", "use crate::b;"), ("b.rs", "fn f() { dbg!(crate::a::A) }")]), ["a ↔ b"]);
    assert_eq!(circles(&[lib, ("a.rs", "use crate::b;"), ("b.rs", "#[cfg(test)] mod t { use crate::a; }")]), [""; 0]);
    // What `a` only passes on is of `a/x`.
    let passes = ("a/mod.rs", "mod x; mod y; pub use x::X; pub struct A;");
    let x = ("a/x.rs", "pub struct X;");
    assert_eq!(circles(&[lib, passes, x, ("a/y.rs", "use super::X;"), ("b.rs", "")]), [""; 0]);
    assert_eq!(circles(&[lib, passes, ("a/x.rs", "use super::A;"), ("a/y.rs", ""), ("b.rs", "")]), ["a ↔ a/x"]);
}
