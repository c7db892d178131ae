//! The routes of a service, and which paths they are. Where each service is a process of its own, a proxy
//! leads every path to the process that serves it. Its table is published from here (`marquee routes`),
//! from the very calls that make the routes, so it cannot drift from what is served. The calls of the API bring
//! their documentation with them.

use std::fmt;

use axum::Router;
use axum::routing::MethodRouter;
use utoipa_axum::router::UtoipaMethodRouter;

use crate::openapi::Documentation;

/// An [`axum::Router`] that remembers its paths. What every process serves for itself (health, metrics,
/// assets) is no service's and needs no entry in a proxy's table: that stays a plain `Router`.
#[derive(Clone)]
#[must_use]
pub struct Routes<S = ()> {
    router: Router<S>,
    paths: Vec<String>,
    documentation: Documentation,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes yet.
    pub fn new() -> Self {
        Self { router: Router::new(), paths: Vec::new(), documentation: Documentation::default() }
    }

    /// Adds calls of the API, all of one path, which they name themselves: `.api(routes!(list, create))`.
    ///
    /// # Panics
    /// As [`Router::route`].
    pub fn api(mut self, (schemas, paths, methods): UtoipaMethodRouter<S>) -> Self {
        for path in paths.paths.keys() {
            self.router = self.router.route(path, methods.clone());
            self.remember(path);
        }
        self.documentation.merge(Documentation::new(paths, schemas));
        self
    }

    /// Adds what answers at `path`, a template such as `/api/orders/{id}`.
    ///
    /// # Panics
    /// As [`Router::route`]: if the template is malformed, or a method of it is taken.
    pub fn route(mut self, path: &'static str, methods: MethodRouter<S>) -> Self {
        self.router = self.router.route(path, methods);
        self.remember(path);
        self
    }

    /// Adds all routes of `other`.
    ///
    /// # Panics
    /// As [`Router::merge`]: if a method of a path is in both.
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        other.paths.iter().for_each(|path| self.remember(path));
        self.documentation.merge(other.documentation);
        self
    }

    /// Gives the handlers their state.
    pub fn with_state<S2>(self, state: S) -> Routes<S2> {
        let Self { router, paths, documentation } = self;
        Routes { router: router.with_state(state), paths, documentation }
    }

    /// The templates, each once, in the order in which they came.
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// What the OpenAPI document says of the calls among them.
    pub fn documentation(&self) -> Documentation {
        self.documentation.clone()
    }

    /// The routes, to be served.
    pub fn into_router(self) -> Router<S> {
        self.router
    }

    fn remember(&mut self, path: &str) {
        if !self.paths.iter().any(|known| known == path) {
            self.paths.push(path.to_owned());
        }
    }
}

impl<S> fmt::Debug for Routes<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Routes").field(&self.paths).finish()
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> From<Routes<S>> for Router<S> {
    fn from(routes: Routes<S>) -> Self {
        routes.into_router()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{get, request, send, served, status_and_body, web};
    use axum::extract::{Path, State};
    use axum::routing::{get as on_get, post};

    fn service() -> Routes {
        let api = Routes::new()
            .route("/api/orders", on_get(|| async { "list" }))
            .route("/api/orders", post(|| async { "create" }))
            .route("/api/orders/{id}", on_get(|Path(id): Path<String>| async move { id }));
        let pages = Routes::new()
            .route("/orders", on_get(|State(house): State<&'static str>| async move { house }))
            .route("/api/orders", axum::routing::delete(|| async { "all" }));
        api.merge(pages).with_state("the house")
    }

    #[test]
    fn every_path_is_known_once() {
        assert_eq!(service().paths(), ["/api/orders", "/api/orders/{id}", "/orders"]);
        assert!(Routes::<()>::default().paths().is_empty());
    }

    #[tokio::test]
    async fn what_is_known_is_served() {
        let (web, _) = web();
        let app = || served(service().into(), &web);
        for (method, path, body) in [
            ("GET", "/api/orders", "list"),
            ("POST", "/api/orders", "create"),
            ("DELETE", "/api/orders", "all"),
            ("GET", "/api/orders/7", "7"),
            ("GET", "/orders", "the house"),
        ] {
            let (status, answer) = status_and_body(app(), request(method, path, &[], "")).await;
            assert_eq!((status.as_u16(), answer.as_str()), (200, body), "{method} {path}");
        }
        assert_eq!(send(app(), get("/api", &[])).await.status(), 404);
    }
}
