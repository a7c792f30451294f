//! Distillation, on local weights only: a teacher answers invented prompts, its replies are stored, and a student learns them.
//!
//! There is no client for anybody's API here, and there will be none: what is reproduced is the method, between models of one's own.

mod curriculum;
mod logits;
mod replies;
mod rewriting;
mod student;
mod teacher;

pub use forward::{FinishReason, Sampling};

pub use curriculum::{Curriculum, Origin, Pair, Source};
pub use logits::Distilled;
pub use replies::{Answered, DialoguesRecord, Drawing, Header, REPLIES_SCHEMA, ReplyFile, StoredReply, TeacherRecord};
pub use rewriting::Rewriting;
pub use student::{Lesson, distil, reading};
pub use teacher::Teacher;
