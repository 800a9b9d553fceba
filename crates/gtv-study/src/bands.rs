//! Error bars of one trained model: what a retraining on other data would have generated, with no ensemble.

use crate::error::{Error, Result};
use crate::levels::Sampler;
use crate::one_run;
use crate::record::{Arrays, OneRunNumbers};
use crate::study::{Outcome, Study, adopt};
use gtv_models::Members;
use gtv_models::watch::Session;
use gtv_theory::closure::Needs;
use gtv_theory::compare::Level;
use std::time::Instant;

impl Study {
    /// The numbers about one trained model, the only one of `members`: its own distribution, the spread of its retrainings, and where
    /// its score is least certain. The study's closures are those of trained models.
    ///
    /// # Errors
    /// A model whose run did not save what the theory needs, no closure of trained models, an interrupt.
    pub fn bands(&self, members: &dyn Members, session: Session<'_>) -> Result<Outcome> {
        let started = Instant::now();
        let (mut record, mut arrays) = (self.describe(), Arrays::default());
        let (theory, learner) = self.solve(Some(members), session)?;
        adopt(learner, &mut record);
        record.load = Some(theory.learner.load());
        let of_trained =
            |solved: &&crate::theory::Solved| solved.closure.card().needs == Needs::TrainedModels;
        let solved = theory.laws.iter().find(of_trained).ok_or(Error::NoLaw { name: "one-run" })?;
        record.mean_score_closure = Some(solved.name().to_owned());
        let least = one_run::uncertainty(&theory, solved.law.as_ref(), &mut arrays)?;
        if let Some(OneRunNumbers { least_certain, gap, .. }) = &mut record.one_run {
            (*least_certain, *gap) = (least, theory.gap());
        }
        record.timing.insert("theory".to_owned(), started.elapsed().as_secs_f64());
        let (started, sampler) = (Instant::now(), Sampler { study: self, session });
        let field = members.field(0);
        let levels = vec![
            sampler.data()?,
            sampler.single(Level::PfOde, self.problem().exact().as_ref())?,
            sampler.single(Level::MeanScore, field.as_ref())?,
            theory.level(crate::spec::TheoryName::Closure(solved.closure), &sampler)?,
        ];
        self.describe_levels(&levels, &mut record, &mut arrays, session)?;
        record.timing.insert("sampling".to_owned(), started.elapsed().as_secs_f64());
        Ok(Outcome { record, arrays, levels })
    }
}
