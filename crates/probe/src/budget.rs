//! What may be asked: requests and tokens, declared before the first is sent.

use crate::ProbeError;
use serde::{Deserialize, Serialize};

/// The most that all runs of one transcript may ask together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Budget {
    /// Requests that are sent, each attempt counted.
    pub requests: u64,
    /// Tokens read and written by the model.
    pub tokens: u64,
}

/// What was spent of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Requests.
    pub requests: u64,
    /// Tokens.
    pub tokens: u64,
}

/// A budget, what is gone of it, and how much more than estimated a request has cost so far.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) budget: Budget,
    pub(crate) spent: Spent,
    /// Tokens beyond the estimate, for a chat's own marks: learnt from `usage`.
    beyond: u64,
}

impl Account {
    pub(crate) fn new(budget: Budget, spent: Spent) -> Self {
        Self { budget, spent, beyond: 0 }
    }

    /// Takes one request and its tokens out of the budget before it is sent, and says how many tokens that were.
    pub(crate) fn reserve(&mut self, estimate: u64) -> Result<u64, ProbeError> {
        let Self { budget, spent, beyond } = self;
        let tokens = estimate.saturating_add(*beyond);
        if spent.requests >= budget.requests {
            return Err(ProbeError::BudgetRequests { spent: spent.requests, budget: budget.requests });
        }
        if tokens > budget.tokens.saturating_sub(spent.tokens) {
            return Err(ProbeError::BudgetTokens { spent: spent.tokens, budget: budget.tokens, next: tokens });
        }
        spent.requests += 1;
        spent.tokens += tokens;
        Ok(tokens)
    }

    /// Puts what was really used in the place of what was reserved; nothing known leaves the reservation spent.
    pub(crate) fn settle(&mut self, reserved: u64, used: Option<u64>) -> u64 {
        let Some(used) = used else { return reserved };
        self.spent.tokens = self.spent.tokens.saturating_sub(reserved).saturating_add(used);
        if used > reserved {
            self.beyond += used - reserved;
        }
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_never_passes_the_budget() {
        let mut account = Account::new(Budget { requests: 3, tokens: 100 }, Spent::default());
        assert_eq!(account.reserve(60).unwrap(), 60);
        assert!(matches!(account.reserve(41), Err(ProbeError::BudgetTokens { spent: 60, budget: 100, next: 41 })));
        assert_eq!(account.settle(60, Some(20)), 20);
        assert_eq!(account.reserve(80).unwrap(), 80);
        assert_eq!(account.spent, Spent { requests: 2, tokens: 100 });
        assert_eq!(account.settle(80, None), 80);
        assert!(account.reserve(1).is_err());
    }

    #[test]
    fn what_a_request_costs_beyond_its_estimate_is_learnt() {
        let mut account = Account::new(Budget { requests: 10, tokens: 100 }, Spent::default());
        let reserved = account.reserve(10).unwrap();
        account.settle(reserved, Some(25));
        assert_eq!(account.reserve(10).unwrap(), 25);
        account.settle(25, Some(25));
        assert_eq!(account.spent.tokens, 50);
    }

    #[test]
    fn requests_run_out_too() {
        let mut account = Account::new(Budget { requests: 1, tokens: 100 }, Spent { requests: 1, tokens: 0 });
        assert!(matches!(account.reserve(1), Err(ProbeError::BudgetRequests { spent: 1, budget: 1 })));
    }
}
