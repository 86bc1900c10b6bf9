fn main() -> std::process::ExitCode {
    sdme::main()
}
