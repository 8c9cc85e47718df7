//! Scenario files (tests/scenarios/README.md): read, and nothing yet done.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

/// What a file of scenarios holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// What it is about.
    pub(crate) about: String,
    /// The codes that are compared.
    #[serde(default)]
    pub(crate) codes: Vec<String>,
    /// What the case has in place of what `defaults.toml` says.
    #[serde(default)]
    pub(crate) case: Map<String, Value>,
    /// What every scenario begins with.
    #[serde(default)]
    pub(crate) begin: Vec<Event>,
    /// The scenarios.
    pub(crate) scenario: Vec<Scenario>,
}

/// Events, and what comes of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What it shows.
    pub(crate) title: String,
    /// As in the file, for this one.
    #[serde(default)]
    pub(crate) codes: Option<Vec<String>>,
    /// As in the file, on top of it.
    #[serde(default)]
    pub(crate) case: Map<String, Value>,
    /// What happens after what the file begins with.
    #[serde(default)]
    pub(crate) event: Vec<Event>,
    /// What is so then.
    #[serde(default)]
    pub(crate) expect: Vec<Expect>,
}

/// One event, as far as the scenario says.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) on: Option<String>,
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) subject: Option<String>,
    #[serde(default)]
    pub(crate) case: Option<String>,
    #[serde(default)]
    pub(crate) by: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) occurred: Option<Value>,
    #[serde(default)]
    pub(crate) after: Option<String>,
    #[serde(default)]
    pub(crate) corrects: Option<String>,
    #[serde(default)]
    pub(crate) evidence: Vec<String>,
    #[serde(default)]
    pub(crate) conceal: Vec<String>,
    #[serde(default)]
    pub(crate) refused: Option<String>,
    /// The body.
    #[serde(flatten)]
    pub(crate) body: Map<String, Value>,
}

/// What is so at an instant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    pub(crate) as_of: String,
    #[serde(default)]
    pub(crate) codes: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) findings: Vec<Value>,
    #[serde(default)]
    pub(crate) unknowns: Vec<Value>,
    #[serde(default)]
    pub(crate) obligations: Option<Vec<Value>>,
    #[serde(default)]
    pub(crate) items: BTreeMap<String, Value>,
    /// Rows of a reconciliation.
    #[serde(default)]
    pub(crate) reconciliation: Vec<Value>,
    #[serde(default)]
    pub(crate) withhold: Vec<String>,
    #[serde(default)]
    pub(crate) leave_out: Vec<String>,
    /// Cases and streams that are shown in full, whatever is left out.
    #[serde(default)]
    pub(crate) complete: Vec<String>,
}

/// What is said of a kind where a scenario does not.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KindDefaults {
    #[serde(default)]
    pub(crate) by: Vec<String>,
    #[serde(default)]
    pub(crate) body: Map<String, Value>,
    #[serde(default)]
    pub(crate) each: BTreeMap<String, Map<String, Value>>,
}

/// What scenarios need not say.
#[derive(Debug, Deserialize)]
pub(crate) struct Defaults {
    pub(crate) parties: BTreeMap<String, Vec<String>>,
    pub(crate) case: Map<String, Value>,
    #[serde(flatten)]
    pub(crate) kinds: BTreeMap<String, KindDefaults>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// Reads a file as JSON; dates and times become texts.
fn read(path: &Path) -> Value {
    fn json(value: toml::Value) -> Value {
        match value {
            toml::Value::Datetime(datetime) => Value::from(datetime.to_string()),
            toml::Value::Array(values) => values.into_iter().map(json).collect(),
            toml::Value::Table(members) => {
                Value::Object(members.into_iter().map(|(name, value)| (name, json(value))).collect())
            }
            toml::Value::String(text) => Value::from(text),
            toml::Value::Integer(number) => Value::from(number),
            toml::Value::Float(number) => Value::from(number),
            toml::Value::Boolean(truth) => Value::from(truth),
        }
    }
    let text = std::fs::read_to_string(path).unwrap();
    let table: toml::Table = text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    json(toml::Value::Table(table))
}

pub(crate) fn defaults() -> Defaults {
    serde_json::from_value(read(&folder().join("defaults.toml"))).unwrap_or_else(|e| panic!("defaults.toml: {e}"))
}

/// Every file of scenarios, by name.
pub(crate) fn all() -> BTreeMap<String, File> {
    let paths = std::fs::read_dir(folder()).unwrap().map(|found| found.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|ext| ext == "toml")).filter_map(|path| {
        let name = path.file_stem()?.to_str()?.to_owned();
        let read = || serde_json::from_value(read(&path)).unwrap_or_else(|e| panic!("{name}.toml: {e}"));
        (name != "defaults").then(|| (name.clone(), read()))
    });
    files.collect()
}
