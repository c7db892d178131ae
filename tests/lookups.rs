//! Look-ups on the real binary, over two copies with one Redis: what is remembered is never older than promised, nobody
//! goes back in time, and nothing that happens to Redis is an error to anybody.

mod away;
mod copies;
mod history;
mod register;
mod secrets;
mod stampede;
mod writers;
