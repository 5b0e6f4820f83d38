//! Without `std` nothing else asks for the C library, of which the entry point and `memcpy` come.

fn main() {
    println!("cargo:rustc-link-arg-bins=-lc");
}
