//! Copies of memory, where the C library's are slow.
//!
//! musl's on x86-64 are `rep movsq`, which takes some thirty cycles before it copies anything: a fifth of what Ringfence's own
//! code takes of a cold start, which moves many small things. Those here move up to 64 bytes without a loop, and more by 32 at
//! a time. The linker takes them for `memcpy` and `memmove` wherever they are called.
//!
//! Every byte that is kept for the end is read before the first is written: one routine does for both, also where the two
//! overlap.

#[cfg(target_env = "musl")]
std::arch::global_asm!(
    ".globl memcpy",
    ".globl memmove",
    ".hidden memcpy",
    ".hidden memmove",
    ".set memcpy, ringfence_move",
    ".set memmove, ringfence_move",
);

std::arch::global_asm!(
    ".pushsection .text.ringfence_move, \"ax\", @progbits",
    ".globl ringfence_move",
    ".hidden ringfence_move",
    ".type ringfence_move, @function",
    ".p2align 5",
    "ringfence_move:",
    "mov rax, rdi",
    "cmp rdx, 16",
    "jb .Lringfence_below_16",
    "movups xmm0, [rsi]",
    "movups xmm1, [rsi + rdx - 16]",
    "cmp rdx, 32",
    "ja .Lringfence_above_32",
    "movups [rdi], xmm0",
    "movups [rdi + rdx - 16], xmm1",
    "ret",
    ".Lringfence_above_32:",
    "movups xmm2, [rsi + 16]",
    "movups xmm3, [rsi + rdx - 32]",
    "cmp rdx, 64",
    "ja .Lringfence_above_64",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm2",
    "movups [rdi + rdx - 32], xmm3",
    "movups [rdi + rdx - 16], xmm1",
    "ret",
    ".Lringfence_above_64:",
    // Where what is written begins within what is read: from the end.
    "mov rcx, rdi",
    "sub rcx, rsi",
    "cmp rcx, rdx",
    "jb .Lringfence_from_the_end",
    "lea r8, [rdi + rdx - 32]",
    ".Lringfence_forward:",
    "movups xmm4, [rsi]",
    "movups xmm5, [rsi + 16]",
    "movups [rdi], xmm4",
    "movups [rdi + 16], xmm5",
    "add rsi, 32",
    "add rdi, 32",
    "cmp rdi, r8",
    "jb .Lringfence_forward",
    "movups [r8], xmm3",
    "movups [r8 + 16], xmm1",
    "ret",
    ".Lringfence_from_the_end:",
    "lea r8, [rdi + 32]",
    "add rsi, rdx",
    "add rdi, rdx",
    ".Lringfence_backward:",
    "movups xmm4, [rsi - 16]",
    "movups xmm5, [rsi - 32]",
    "movups [rdi - 16], xmm4",
    "movups [rdi - 32], xmm5",
    "sub rsi, 32",
    "sub rdi, 32",
    "cmp rdi, r8",
    "ja .Lringfence_backward",
    "movups [rax], xmm0",
    "movups [rax + 16], xmm2",
    "ret",
    ".Lringfence_below_16:",
    "cmp edx, 8",
    "jae .Lringfence_8_to_15",
    "cmp edx, 4",
    "jae .Lringfence_4_to_7",
    "test edx, edx",
    "jz .Lringfence_none",
    "movzx ecx, byte ptr [rsi]",
    "movzx r8d, byte ptr [rsi + rdx - 1]",
    "cmp edx, 3",
    "jb .Lringfence_1_or_2",
    "movzx r9d, byte ptr [rsi + 1]",
    "mov [rdi + 1], r9b",
    ".Lringfence_1_or_2:",
    "mov [rdi], cl",
    "mov [rdi + rdx - 1], r8b",
    ".Lringfence_none:",
    "ret",
    ".Lringfence_8_to_15:",
    "mov rcx, [rsi]",
    "mov r8, [rsi + rdx - 8]",
    "mov [rdi], rcx",
    "mov [rdi + rdx - 8], r8",
    "ret",
    ".Lringfence_4_to_7:",
    "mov ecx, [rsi]",
    "mov r8d, [rsi + rdx - 4]",
    "mov [rdi], ecx",
    "mov [rdi + rdx - 4], r8d",
    "ret",
    ".size ringfence_move, . - ringfence_move",
    ".popsection",
);

#[cfg(test)]
unsafe extern "C" {
    fn ringfence_move(
        to: *mut libc::c_void,
        from: *const libc::c_void,
        length: usize,
    ) -> *mut libc::c_void;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use super::ringfence_move;

    /// Byte by byte, by nothing that the compiler could take for a copy.
    fn moved(of: &[u8], from: usize, to: usize, length: usize) -> Vec<u8> {
        let mut all = Vec::with_capacity(of.len());
        for (at, byte) in of.iter().enumerate() {
            let taken = at.checked_sub(to).filter(|n| *n < length);
            all.push(std::hint::black_box(taken.map_or(*byte, |n| of[from + n])));
        }
        all
    }

    #[cfg(target_env = "musl")]
    #[test]
    fn the_c_library_s_are_not_linked() {
        unsafe extern "C" {
            fn memcpy(
                to: *mut libc::c_void,
                from: *const libc::c_void,
                length: usize,
            ) -> *mut libc::c_void;
            fn memmove(
                to: *mut libc::c_void,
                from: *const libc::c_void,
                length: usize,
            ) -> *mut libc::c_void;
        }
        let ours = ringfence_move as *const () as usize;
        assert_eq!(
            [memcpy as *const () as usize, memmove as *const () as usize],
            [ours; 2]
        );
    }

    /// Every length up to 200 at every distance at which the two meet, and what lies beside them.
    #[test]
    fn copies_are_whole_and_no_more_whatever_overlaps() {
        let before: Vec<u8> = (0..640_u32).map(|n| (n * 7 % 251) as u8).collect();
        for length in 0..=200_usize {
            let from = 210 + length % 16;
            for to in from - length - 1..=from + length + 1 {
                let mut ours = before.clone();
                let at = ours.as_mut_ptr();
                // SAFETY: both lie within the buffer.
                let gave = unsafe {
                    ringfence_move(
                        at.wrapping_add(to).cast(),
                        at.wrapping_add(from).cast(),
                        length,
                    )
                };
                assert_eq!(gave, at.wrapping_add(to).cast());
                assert!(
                    ours == moved(&before, from, to, length),
                    "{length} bytes to {to}"
                );
            }
        }
    }

    #[test]
    fn long_ones_as_well() {
        let before: Vec<u8> = (0..300_000_u32).map(|n| (n * 31 % 253) as u8).collect();
        for (from, to, length) in [
            (1, 100_003, 99_999),
            (5, 9, 250_001),
            (9, 5, 250_001),
            (7, 7, 123_457),
        ] {
            let mut ours = before.clone();
            let at = ours.as_mut_ptr();
            // SAFETY: as above.
            unsafe {
                ringfence_move(
                    at.wrapping_add(to).cast(),
                    at.wrapping_add(from).cast(),
                    length,
                )
            };
            assert!(
                ours == moved(&before, from, to, length),
                "{length} bytes from {from} to {to}"
            );
        }
    }
}
