/* Where a static, position-independent program begins: what musl's rcrt1.o is, and packed relocations (DT_RELR), which musl
 * knows from 1.2.4 on only. Eight bytes for 63 pointers instead of 24 for each: 86 KB of the binary.
 *
 * For x86_64 only, where it is run by every test: elsewhere musl's own stays, and nothing is packed.
 * It runs before the program is relocated: nothing outside of it may be called, no pointer of the program's data followed.
 */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

#if defined(__x86_64__)
#define RELATIVE R_X86_64_RELATIVE
__asm__(".text\n"
	".global _start\n"
	".type _start,%function\n"
	".weak _DYNAMIC\n"
	".hidden _DYNAMIC\n"
	"_start:\n"
	"	xor %rbp,%rbp\n"
	"	mov %rsp,%rdi\n"
	"	lea _DYNAMIC(%rip),%rsi\n"
	"	andq $-16,%rsp\n"
	"	call start\n");
#else
#error "no beginning for this architecture: musl's own is taken"
#endif

extern const char __ehdr_start[] __attribute__((visibility("hidden")));
int main(int, char **, char **);
void _init(void);
void _fini(void);
int __libc_start_main(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void));

/* The linker fills in the same form everywhere: the difference between where the program is and where it was linked to. */
static void relocate(uintptr_t base, const Elf64_Rela *entry, const Elf64_Rela *end)
{
	for (; entry < end; entry++)
		if (ELF64_R_TYPE(entry->r_info) == RELATIVE)
			*(uintptr_t *)(base + entry->r_offset) = base + entry->r_addend;
}

/* An even word is the place of a pointer; an odd one says which of the next 63 words are pointers, too. */
static void relocate_packed(uintptr_t base, const uintptr_t *entry, const uintptr_t *end)
{
	uintptr_t *next = NULL;
	for (; entry < end; entry++) {
		if (!(*entry & 1)) {
			next = (uintptr_t *)(base + *entry);
			*next++ += base;
			continue;
		}
		for (size_t place = 0; place < 63; place++)
			if (*entry >> (place + 1) & 1)
				next[place] += base;
		next += 63;
	}
}

__attribute__((used, noreturn)) static void start(uintptr_t *stack, const Elf64_Dyn *dynamic)
{
	uintptr_t base = (uintptr_t)__ehdr_start, rela = 0, rela_size = 0, relr = 0, relr_size = 0;
	for (; dynamic->d_tag; dynamic++) {
		uintptr_t value = dynamic->d_un.d_val;
		if (dynamic->d_tag == DT_RELA)
			rela = base + value;
		else if (dynamic->d_tag == DT_RELASZ)
			rela_size = value;
		else if (dynamic->d_tag == DT_RELR)
			relr = base + value;
		else if (dynamic->d_tag == DT_RELRSZ)
			relr_size = value;
	}
	relocate(base, (const void *)rela, (const void *)(rela + rela_size));
	relocate_packed(base, (const void *)relr, (const void *)(relr + relr_size));
	__libc_start_main(main, (int)*stack, (char **)(stack + 1), _init, _fini, 0);
	__builtin_unreachable();
}
