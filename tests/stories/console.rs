//! The console, used as people use it: in a browser, with a mouse or the keyboard alone.

mod answers;
mod keyboard;
mod letters;
mod live;
mod log;
mod pages;
mod signing;
mod tester;
mod window;
