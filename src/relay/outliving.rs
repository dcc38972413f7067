//! Work that is seen through by whoever waits for it, and by a task of its own once nobody does. So what must come to its end costs no task of its own
//! where its caller stays, as callers do.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Work that outlives its caller. A panic in it is `None`.
pub(super) struct Outliving<T: Send + 'static> {
    work: Option<Pin<Box<dyn Future<Output = Option<T>> + Send>>>,
}

impl<T: Send + 'static> Outliving<T> {
    /// `tracker` counts it until its end, whoever sees it through.
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static, tracker: &TaskTracker) -> Self {
        let caught = AssertUnwindSafe(work).catch_unwind().map(Result::ok);
        Self { work: Some(Box::pin(tracker.track_future(caught))) }
    }
}

impl<T: Send + 'static> Future for Outliving<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        let done = work.as_mut().poll(cx);
        if done.is_ready() {
            self.work = None;
        }
        done
    }
}

impl<T: Send + 'static> Drop for Outliving<T> {
    fn drop(&mut self) {
        // At the end of the process nothing runs any more.
        if let Some(work) = self.work.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn it_ends_with_its_caller_or_without() {
        for stays in [true, false] {
            let tracker = TaskTracker::new();
            let ((go, gone), (say, said)) = (oneshot::channel::<()>(), oneshot::channel());
            let work = async move {
                let _ = gone.await;
                say.send(7).is_ok()
            };
            let mut outliving = Outliving::new(work, &tracker);
            assert!((&mut outliving).now_or_never().is_none(), "it waits");
            tracker.close();
            assert!(tracker.wait().now_or_never().is_none(), "it is counted");
            if stays {
                go.send(()).unwrap();
                assert_eq!(outliving.await, Some(true));
            } else {
                drop(outliving);
                go.send(()).unwrap();
            }
            assert_eq!(said.await, Ok(7));
            tracker.wait().await;
        }
    }

    #[tokio::test]
    async fn a_panic_is_no_answer() {
        let work = async { panic!("as a fault would") };
        assert_eq!(Outliving::<u8>::new(work, &TaskTracker::new()).await, None);
    }
}
