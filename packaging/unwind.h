/* Read before each assembly file of a dependency: what it says for unwinding goes where a debugger looks, which is stripped,
   and not into the program, which aborts on a panic. C has an option for it; assembly written with .cfi_ lines has this. */
#ifdef __ASSEMBLER__
.cfi_sections .debug_frame
#endif
