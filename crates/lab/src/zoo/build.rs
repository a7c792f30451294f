//! Makes the models of a plan, those that are not there yet.

use super::making::{Making, Model, models};
use super::plan::{Corpus, Students, Vocabulary};
use super::{Graph, Node, Plan};
use crate::dialogues::Dialogues;
use crate::distil::{Curriculum, Distilled, Drawing, Lesson, ReplyFile, Rewriting, Sampling, Source, Teacher};
use crate::train::{Examples, Request, Schedule, Tune, Windows, begin, tokens, train, train_tokenizer};
use crate::{Dtype, LabError, Precision};
use forward::Tokenizer;
use serde_json::{Value, json};
use sources::FormatError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a build tells while it works.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    /// A model was there, or is made now.
    Model {
        /// Its name.
        name: &'a str,
        /// Whether it was there.
        found: bool,
    },
}

/// A zoo on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// Its graph.
    pub graph: Graph,
    /// Models that were made, not found.
    pub made: usize,
    folder: PathBuf,
}

impl Built {
    /// Where a model stands.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.graph.models.get(name).map(|node| model_path(&self.folder, &node.address))
    }
}

/// Part of every address: raised when the laboratory makes other weights of the same plan.
const MAKING: u32 = 1;
/// Digits of an address.
const DIGITS: usize = 20;

fn model_path(folder: &Path, address: &str) -> PathBuf {
    folder.join("models").join(address)
}

/// Builds a zoo in a folder; what is there already is kept.
///
/// # Errors
/// If the plan names what it does not describe, or a model cannot be made.
pub fn build(plan: &Plan, folder: &Path, tell: &dyn Fn(Told<'_>)) -> Result<Built, LabError> {
    let create = |path: PathBuf| std::fs::create_dir_all(&path).map_err(|error| LabError::Io { action: "create", path, error });
    create(folder.join("models"))?;
    create(folder.join("replies"))?;
    let mut builder = Builder {
        plan,
        folder,
        dialogues: Dialogues::shipped()?,
        texts: BTreeMap::new(),
        tokenizers: BTreeMap::new(),
        ids: BTreeMap::new(),
        graph: Graph { schema: "urn:filiation:lineage:v1".into(), models: BTreeMap::new() },
    };
    let mut made = 0;
    for model in models(plan)? {
        let (address, making) = builder.address(&model)?;
        let path = model_path(folder, &address);
        let found = path.is_dir();
        tell(Told::Model { name: &model.name, found });
        if !found {
            builder.make(&model, &path)?;
            made += 1;
        }
        let node = Node {
            address,
            parents: model.making.parents().into_iter().map(str::to_owned).collect(),
            lineages: model.lineages.iter().cloned().collect(),
            making,
        };
        builder.graph.models.insert(model.name, node);
    }
    builder.graph.write(folder)?;
    Ok(Built { graph: builder.graph, made, folder: folder.to_owned() })
}

struct Builder<'a> {
    plan: &'a Plan,
    folder: &'a Path,
    dialogues: Dialogues,
    texts: BTreeMap<String, Arc<[String]>>,
    tokenizers: BTreeMap<Vocabulary, Value>,
    /// By corpus and vocabulary.
    ids: BTreeMap<(String, Vocabulary), Arc<[u32]>>,
    graph: Graph,
}

impl Builder<'_> {
    fn corpus(&self, name: &str) -> Result<&Corpus, LabError> {
        self.plan.corpora.get(name).ok_or_else(|| FormatError::new("corpus", format!("`{name}`"), "one of the plan").into())
    }

    fn recipe(&self, name: &str) -> Result<&super::plan::Recipe, LabError> {
        self.plan.recipes.get(name).ok_or_else(|| FormatError::new("recipe", format!("`{name}`"), "one of the plan").into())
    }

    /// The digest of how a model is made, all the way back to corpora and seeds.
    fn address(&self, model: &Model) -> Result<(String, Value), LabError> {
        let parents: BTreeMap<&str, &str> =
            model.making.parents().into_iter().filter_map(|name| Some((name, self.graph.models.get(name)?.address.as_str()))).collect();
        let mut making = serde_json::to_value(&model.making).map_err(|error| FormatError::new("making", error, "JSON"))?;
        let mut with = json!({ "version": MAKING, "words": self.dialogues.digest });
        let full_recipe = |name: &str| -> Result<Value, LabError> {
            let recipe = self.recipe(name)?;
            Ok(json!({ "recipe": recipe, "vocabularyOf": self.corpus(&recipe.vocabulary.corpus)? }))
        };
        match &model.making {
            Making::Training { recipe, corpus, .. } => {
                with["recipe"] = full_recipe(recipe)?;
                with["corpus"] = json!(self.corpus(corpus)?);
            }
            Making::Distillation { recipe, students, .. } => {
                with["recipe"] = full_recipe(recipe)?;
                let Students { dialogues, fraction, rewriting, epochs, logits, adapter, .. } = &self.plan.students[*students];
                with["lesson"] =
                    json!({ "dialogues": dialogues, "fraction": fraction, "rewriting": rewriting, "epochs": epochs, "logits": logits });
                if let Some(adapter) = adapter {
                    with["lesson"]["adapter"] = json!(adapter);
                }
                // The place of the students in the plan is no part of how they are made.
                making["students"] = with["lesson"].clone();
            }
            Making::Tuning { tuning, .. } => with["corpus"] = json!(self.corpus(&tuning.corpus)?),
            Making::Steps { .. } => {}
        }
        let mut named = making.clone();
        // Parents are what they are made of, not what a plan calls them.
        for key in ["of", "others", "teachers"].into_iter().chain(["base", "teacher"].into_iter().filter(|key| !making[*key].is_null())) {
            let by_address = |name: &Value| json!(name.as_str().and_then(|name| parents.get(name)));
            named[key] = match &making[key] {
                Value::Array(names) => names.iter().map(by_address).collect(),
                Value::String(_) => by_address(&making[key]),
                _ => Value::Null,
            };
        }
        let hash = blake3::hash(json!({ "making": named, "with": with }).to_string().as_bytes()).to_hex();
        Ok((hash[..DIGITS].to_owned(), making))
    }

    fn path(&self, name: &str) -> Result<PathBuf, LabError> {
        let node = self.graph.models.get(name);
        let node = node.ok_or_else(|| FormatError::new("model", format!("`{name}`"), "one that is made before"))?;
        Ok(model_path(self.folder, &node.address))
    }

    fn open(&self, name: &str) -> Result<sources::Model, LabError> {
        Ok(sources::Model::open(&self.path(name)?)?)
    }

    fn texts(&mut self, name: &str) -> Result<Arc<[String]>, LabError> {
        if let Some(texts) = self.texts.get(name) {
            return Ok(texts.clone());
        }
        let corpus = self.corpus(name)?.clone();
        let dialogues = self.dialogues.clone().only(&corpus.subset)?;
        let texts: Arc<[String]> = (0..corpus.dialogues).map(|index| dialogues.text(corpus.seed, index)).collect();
        self.texts.insert(name.to_owned(), texts.clone());
        Ok(texts)
    }

    fn tokenizer(&mut self, vocabulary: &Vocabulary) -> Result<Value, LabError> {
        if let Some(tokenizer) = self.tokenizers.get(vocabulary) {
            return Ok(tokenizer.clone());
        }
        let tokenizer = train_tokenizer(&self.texts(&vocabulary.corpus)?, vocabulary.tokens)?;
        self.tokenizers.insert(vocabulary.clone(), tokenizer.clone());
        Ok(tokenizer)
    }

    /// Tokens of a corpus; models of one vocabulary share them.
    fn windows(
        &mut self,
        corpus: &str,
        model: &sources::Model,
        vocabulary: &Vocabulary,
        length: usize,
        order: u64,
    ) -> Result<Windows, LabError> {
        let key = (corpus.to_owned(), vocabulary.clone());
        if !self.ids.contains_key(&key) {
            let tokenizer = Tokenizer::of(model).map_err(|why| FormatError::new("tokenizer", why.0, "one that splits texts"))?;
            let ids = tokens(&tokenizer, &self.texts(corpus)?)?;
            self.ids.insert(key.clone(), ids);
        }
        Ok(Windows::new(self.ids[&key].clone(), length, order))
    }

    fn make(&mut self, model: &Model, path: &Path) -> Result<(), LabError> {
        match &model.making {
            Making::Training { recipe, corpus, order, seed } => {
                let recipe = self.recipe(recipe)?.clone();
                let (begun, _folder) = self.begin(&recipe, *seed)?;
                let examples = self.windows(corpus, &begun, &recipe.vocabulary, recipe.length, *order)?;
                self.train(begun, path, recipe.schedule, &examples, Tune::Full, *seed, &model.making)
            }
            Making::Tuning { of, length, batch, tuning, seed, teacher } => {
                let start = self.open(of)?;
                // Steps may have changed the tokens: the ids are those of this model alone.
                let vocabulary = Vocabulary { corpus: of.clone(), tokens: 0 };
                let examples = self.windows(&tuning.corpus, &start, &vocabulary, *length, 1000 + seed)?;
                self.ids.retain(|(_, vocabulary), _| vocabulary.tokens > 0);
                let schedule =
                    Schedule { steps: tuning.steps, batch: *batch, rate: tuning.rate, warmup: tuning.steps / 20, ..Schedule::default() };
                let Some(teacher) = teacher else {
                    return self.train(start, path, schedule, &examples, tuning.tune(), *seed, &model.making);
                };
                let teacher = Teacher::read(&self.open(teacher)?, &|_| ())?;
                let of = (&teacher.responder.sampler, teacher.tensor_root.as_str());
                let examples = Distilled::new(&examples, of, teacher.responder.sampler.vocabulary(), (length + 1, *batch), 1.0)?;
                self.train(start, path, schedule, &examples, tuning.tune(), *seed, &model.making)
            }
            Making::Steps { of, steps, others, seed } => {
                let start = self.open(of)?;
                let mut written = steps.clone();
                for (i, other) in others.iter().enumerate() {
                    let other = self.path(other)?.display().to_string();
                    written.iter_mut().for_each(|step| *step = step.replace(&format!("{{{i}}}"), &other));
                }
                let request = crate::Request { folder: path, steps: &written, seed: *seed, precision: Precision::AsStored };
                crate::disguise(start, &request, &|_| (), &|_| ()).map(|_| ())
            }
            Making::Distillation { recipe, students, teachers, seed, base } => {
                let recipe = self.recipe(recipe)?.clone();
                let (start, _folder) = match base {
                    Some(base) => (self.open(base)?, None),
                    None => self.begin(&recipe, *seed).map(|(begun, folder)| (begun, Some(folder)))?,
                };
                self.teach(start, recipe.schedule, &self.plan.students[*students], teachers, *seed, path)
            }
        }
    }

    /// A model of drawn weights, in a folder that lives as long as it is needed.
    fn begin(&mut self, recipe: &super::plan::Recipe, seed: u64) -> Result<(sources::Model, tempfile::TempDir), LabError> {
        let tokenizer = self.tokenizer(&recipe.vocabulary)?;
        let path = self.folder.to_owned();
        let folder = tempfile::tempdir_in(&path).map_err(|error| LabError::Io { action: "write into", path, error })?;
        let begun = folder.path().join("begun");
        begin(&recipe.model, &tokenizer, seed, &begun)?;
        Ok((sources::Model::open(&begun)?, folder))
    }

    #[expect(clippy::too_many_arguments, reason = "each is one part of a training")]
    fn train(
        &self,
        start: sources::Model,
        path: &Path,
        schedule: Schedule,
        examples: &dyn Examples,
        tune: Tune,
        seed: u64,
        making: &Making,
    ) -> Result<(), LabError> {
        let request = Request {
            folder: path,
            schedule,
            examples,
            tune,
            seed,
            precision: Precision::Of(Dtype::F32),
            history: serde_json::to_value(making).unwrap_or_default(),
        };
        train(start, &request, &|_| ()).map(|_| ())
    }

    fn teach(
        &mut self,
        start: sources::Model,
        schedule: Schedule,
        students: &Students,
        teachers: &[String],
        seed: u64,
        path: &Path,
    ) -> Result<(), LabError> {
        let mut read = Vec::new();
        let mut files = Vec::new();
        for name in teachers {
            let teacher = Teacher::read(&self.open(name)?, &|_| ())?;
            // As many as a student may want: files are shared by students of one teacher.
            let n = students.dialogues as u64;
            let address = &self.graph.models[name.as_str()].address;
            let replies = self.folder.join("replies").join(format!("{address}-{n}.jsonl"));
            let sampling = Sampling { temperature: 1.0, top_p: None, max_tokens: 48 };
            Drawing { teacher: &teacher, dialogues: &self.dialogues, seed: 77, n, sampling, watermark: None }.answer(&replies, &|_| ())?;
            files.push(ReplyFile::open(&replies)?);
            read.push(teacher);
        }
        let curriculum = Curriculum {
            teachers: files.iter().map(|file| Source { file, weight: 1.0 }).collect(),
            dialogues: &self.dialogues,
            n: students.dialogues,
            fraction: students.fraction,
            rewriting: Rewriting::new(&self.dialogues.synonyms, students.rewriting, seed),
            seed: 5,
        };
        let lesson = Lesson {
            curriculum: &curriculum,
            chat: &self.dialogues.chat,
            epochs: students.epochs,
            schedule,
            tune: students.adapter.clone().map_or(Tune::Full, Tune::Adapter),
            logits: read.first().filter(|_| students.logits).map(|teacher| (teacher, 1.0)),
            seed: 9,
            precision: Precision::Of(Dtype::F32),
        };
        crate::distil::distil(start, &lesson, path, &|_, _| ()).map(|_| ())
    }
}
