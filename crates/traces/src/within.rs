//! Work that knows which span it is a part of, wherever it is polled.

use std::future::Future;
use std::pin::Pin;
use std::task::{Poll, ready};

use opentelemetry::Context;
use pin_project_lite::pin_project;

use crate::is_on;

pin_project! {
    /// A future within a span. Without one it is just that future.
    pub struct Within<F> {
        #[pin]
        work: F,
        context: Option<Context>,
    }
}

impl<F> Within<F> {
    pub(crate) fn new(work: F, context: Option<Context>) -> Self {
        Self { work, context }
    }
}

/// Takes the span of the work at hand along, for work that is about to go on in a task of its own.
pub fn carry<F>(work: F) -> Within<F> {
    Within::new(work, is_on().then(Context::current))
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _here = this.context.clone().map(Context::attach);
        let done = ready!(this.work.poll(task));
        // Whoever keeps the finished future does not keep the span.
        *this.context = None;
        Poll::Ready(done)
    }
}
