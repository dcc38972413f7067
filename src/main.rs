//! The `zegel` command.

/// Gives back what many threads took and freed in all sizes.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    zegel::cli::main()
}
