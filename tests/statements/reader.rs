//! Reads the SQL statements out of the sources: every string of a crate that begins as a statement does, with
//! `concat!` and the simple macros of its file expanded, and every `Many::new`. It follows `mod` as the compiler
//! does, so that a new file is read too; what is only there for tests is not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Expr, ExprCall, ExprMacro, ItemConst, ItemMacro, ItemMod, ItemStatic, Lit, LitStr, Macro,
    Token, Type,
};

/// A statement in the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// File and constant: `services/orders/src/store.rs TAKE`.
    pub name: String,
    /// As it is handed to the database.
    pub sql: String,
}

/// The statements of the crate whose root is `file`, below `top`.
pub fn crate_statements(top: &Path, file: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut files = vec![PathBuf::from(file)];
    while let Some(file) = files.pop() {
        let text = fs::read_to_string(top.join(&file)).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let (statements, modules) = file_statements(&file.display().to_string(), &text);
        found.extend(statements);
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let parent = file.parent().unwrap();
        let directory =
            if matches!(stem, "lib" | "main" | "mod") { parent.to_path_buf() } else { parent.join(stem) };
        for module in modules {
            let flat = directory.join(format!("{module}.rs"));
            let exists = top.join(&flat).exists();
            files.push(if exists { flat } else { directory.join(module).join("mod.rs") });
        }
    }
    found
}

/// The statements of one file, and the modules that it declares.
pub fn file_statements(name: &str, text: &str) -> (Vec<Statement>, Vec<String>) {
    let file = syn::parse_file(text).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut definitions = Definitions::default();
    definitions.visit_file(&file);
    let mut reader =
        Reader { file: name, definitions: definitions.0, within: None, found: vec![], modules: vec![] };
    reader.visit_file(&file);
    (reader.found, reader.modules)
}

/// What `macro_rules!` says, by name.
#[derive(Default)]
struct Definitions(BTreeMap<String, TokenStream>);

impl Visit<'_> for Definitions {
    fn visit_item_macro(&mut self, item: &ItemMacro) {
        if let Some(name) = &item.ident {
            self.0.insert(name.to_string(), item.mac.tokens.clone());
        }
    }
}

struct Reader<'a> {
    file: &'a str,
    definitions: BTreeMap<String, TokenStream>,
    /// The constant that is being read.
    within: Option<String>,
    found: Vec<Statement>,
    modules: Vec<String>,
}

impl Visit<'_> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &ItemMod) {
        if item.attrs.iter().any(is_for_tests) {
            return;
        }
        if item.content.is_none() {
            self.modules.push(item.ident.to_string());
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_const(&mut self, item: &ItemConst) {
        let before = self.within.replace(item.ident.to_string());
        if let (true, Expr::Macro(text)) = (is_text(&item.ty), &*item.expr) {
            assert!(
                self.value(&text.mac).is_some(),
                "{} {}: teach the reader this macro",
                self.file,
                item.ident
            );
        }
        visit::visit_item_const(self, item);
        self.within = before;
    }

    fn visit_item_static(&mut self, item: &ItemStatic) {
        let before = self.within.replace(item.ident.to_string());
        visit::visit_item_static(self, item);
        self.within = before;
    }

    fn visit_expr_call(&mut self, call: &ExprCall) {
        if !is_many(&call.func) {
            return visit::visit_expr_call(self, call);
        }
        let parts: Option<Vec<String>> = call.args.iter().map(|part| self.text(part)).collect();
        let Some([head, row, tail]) = parts.as_deref() else {
            panic!("{} {:?}: teach the reader these parts of a statement", self.file, self.within)
        };
        self.note(one_row(head, row, tail));
    }

    fn visit_expr_macro(&mut self, item: &ExprMacro) {
        if let Some(text) = self.value(&item.mac) {
            self.note(text);
        }
    }

    fn visit_lit_str(&mut self, text: &LitStr) {
        self.note(text.value());
    }

    /// Comments are attributes.
    fn visit_attribute(&mut self, _: &Attribute) {}
}

impl Reader<'_> {
    fn note(&mut self, sql: String) {
        if !begins_as_a_statement(&sql) {
            return;
        }
        let within = self.within.clone().unwrap_or_else(|| format!("`{}`", sql.lines().next().unwrap_or("")));
        self.found.push(Statement { name: format!("{} {within}", self.file), sql });
    }

    /// The text that a macro stands for, if that can be known.
    fn value(&self, item: &Macro) -> Option<String> {
        let name = item.path.get_ident()?.to_string();
        if name == "concat" {
            let parts = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(item.tokens.clone()).ok()?;
            return parts.iter().map(|part| self.text(part)).collect();
        }
        let expanded = expand(self.definitions.get(&name)?, &item.tokens)?;
        self.text(&syn::parse2(expanded).ok()?)
    }

    fn text(&self, part: &Expr) -> Option<String> {
        match part {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                Lit::Int(number) => Some(number.base10_digits().to_owned()),
                _ => None,
            },
            Expr::Macro(inner) => self.value(&inner.mac),
            _ => None,
        }
    }
}

/// A statement for many rows as it is noted: with one (`crates/db/src/many.rs`).
fn one_row(head: &str, row: &str, tail: &str) -> String {
    let mut parts = row.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    let row = parts.enumerate().fold(first, |row, (n, part)| format!("{row}${}{part}", n + 1));
    format!("{head} {row} {tail}")
}

fn is_many(function: &Expr) -> bool {
    let Expr::Path(function) = function else { return false };
    let names: Vec<String> = function.path.segments.iter().map(|part| part.ident.to_string()).collect();
    names.ends_with(&["Many".to_owned(), "new".to_owned()])
}

/// Puts arguments into the one rule of a macro: `($a:literal, …) => { … $a … }`.
fn expand(rules: &TokenStream, arguments: &TokenStream) -> Option<TokenStream> {
    let mut groups = rules.clone().into_iter().filter_map(|token| match token {
        TokenTree::Group(group) => Some(group.stream()),
        _ => None,
    });
    let (pattern, body, more) = (groups.next()?, groups.next()?, groups.next());
    if more.is_some() {
        return None;
    }
    let names: Vec<String> = separated(&pattern).iter().filter_map(|tokens| named(tokens)).collect();
    let values = separated(arguments).into_iter().map(TokenStream::from_iter);
    Some(put(&names.into_iter().zip(values).collect(), body))
}

/// What stands between the commas.
fn separated(tokens: &TokenStream) -> Vec<Vec<TokenTree>> {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
    tokens.split(is_comma).filter(|part| !part.is_empty()).map(<[_]>::to_vec).collect()
}

/// The name of `$name:literal`.
fn named(tokens: &[TokenTree]) -> Option<String> {
    match tokens {
        [TokenTree::Punct(dollar), TokenTree::Ident(name), ..] if dollar.as_char() == '$' => {
            Some(name.to_string())
        }
        _ => None,
    }
}

fn put(values: &BTreeMap<String, TokenStream>, body: TokenStream) -> TokenStream {
    let mut out = TokenStream::new();
    let mut tokens = body.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match &token {
            TokenTree::Punct(p) if p.as_char() == '$' => {
                let value = tokens.next().and_then(|name| values.get(&name.to_string()).cloned());
                out.extend(value.unwrap_or_default());
            }
            TokenTree::Group(group) => {
                let inner = put(values, group.stream());
                out.extend([TokenTree::Group(proc_macro2::Group::new(group.delimiter(), inner))]);
            }
            _ => out.extend([token]),
        }
    }
    out
}

fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Path>().is_ok_and(|cfg| cfg.is_ident("test"))
}

fn is_text(ty: &Type) -> bool {
    matches!(ty, Type::Reference(r) if matches!(&*r.elem, Type::Path(p) if p.path.is_ident("str")))
}

fn begins_as_a_statement(text: &str) -> bool {
    let words: Vec<String> = text.split_whitespace().take(2).map(str::to_ascii_uppercase).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["SELECT" | "UPDATE" | "WITH", _] => text.trim_start().starts_with(words[0].as_str()),
        ["INSERT" | "REPLACE", "INTO"] | ["DELETE", "FROM"] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let (found, _) = file_statements("store.rs", text);
        found.into_iter().map(|statement| (statement.name, statement.sql)).collect()
    }

    #[test]
    fn a_statement_is_found_however_it_is_written() {
        let text = r#"
            const PLAIN: &str = "SELECT a
                FROM t";
            const JOINED: &str = concat!("UPDATE t SET a = ", now!(), " + ", 7);
            macro_rules! now { () => { "clock()" }; }
            macro_rules! rows { ($rest:literal, $end:literal) => { concat!("SELECT a FROM t ", $rest, $end) }; }
            mod check {
                pub const BY_ID: &'static str = rows!("WHERE id = $1", " LIMIT 1");
            }
            static MANY: db::Many = Many::new("INSERT INTO t (a, b) VALUES", "(?, 'x', ?)", "");
            impl Store { const INNER: &str = "DELETE \
                FROM t"; }
            /// "SELECT nothing": a comment.
            async fn f(db: &Db) { db.one("SELECT inline", &[]).await; say("Select a seat"); }
            const SENTENCE: &str = "Select a seat";
            #[cfg(test)]
            mod tests { const NOT: &str = "SELECT for_a_test"; }
        "#;
        let expected = [
            ("store.rs PLAIN", "SELECT a\n                FROM t"),
            ("store.rs JOINED", "UPDATE t SET a = clock() + 7"),
            ("store.rs BY_ID", "SELECT a FROM t WHERE id = $1 LIMIT 1"),
            ("store.rs MANY", "INSERT INTO t (a, b) VALUES ($1, 'x', $2) "),
            ("store.rs `DELETE FROM t`", "DELETE FROM t"),
            ("store.rs `SELECT inline`", "SELECT inline"),
        ];
        assert_eq!(read(text), expected.map(|(name, sql)| (name.to_owned(), sql.to_owned())));
    }

    #[test]
    #[should_panic(expected = "teach the reader this macro")]
    fn a_text_that_cannot_be_known_is_not_passed_over() {
        read(r#"const OTHER: &str = elsewhere::rows!("WHERE id = $1");"#);
    }

    #[test]
    fn modules_are_followed_but_not_those_of_tests() {
        let (_, modules) =
            file_statements("lib.rs", "mod store; pub mod verify; mod a { } #[cfg(test)] mod tests;");
        assert_eq!(modules, ["store", "verify"]);
    }
}
