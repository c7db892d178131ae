//! Which tus is spoken here.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, Type};
use web::Problem;

const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");

/// Every answer says what is spoken here, errors too (tus, Headers: Tus-Resumable).
pub(super) async fn spoken(mut response: Response) -> Response {
    response.headers_mut().insert(RESUMABLE, VERSION);
    response
}

/// A request that speaks tus 1.0.0; 412 for one that does not, with `Tus-Version` (tus, Headers: Tus-Resumable).
pub(super) struct TusResumable;

/// Another version was spoken, or none was named.
pub(super) struct OtherVersion;

impl<S: Sync> FromRequestParts<S> for TusResumable {
    type Rejection = OtherVersion;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, OtherVersion> {
        match parts.headers.get(RESUMABLE) {
            Some(version) if version == VERSION => Ok(Self),
            _ => Err(OtherVersion),
        }
    }
}

impl IntoResponse for OtherVersion {
    fn into_response(self) -> Response {
        let told = "This is tus 1.0.0: say so in Tus-Resumable";
        let mut response = Problem::new(StatusCode::PRECONDITION_FAILED, told).into_response();
        response.headers_mut().insert(HeaderName::from_static("tus-version"), VERSION);
        response
    }
}

impl IntoParams for TusResumable {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let version = Object::builder().schema_type(Type::String).pattern(Some("^1\\.0\\.0$"));
        let parameter = ParameterBuilder::new()
            .name("Tus-Resumable")
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some("`1.0.0`"))
            .schema(Some(version));
        vec![parameter.build()]
    }
}
