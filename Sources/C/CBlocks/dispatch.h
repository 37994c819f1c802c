// SPDX-License-Identifier: Apache-2.0
// One source, three machine codes; the loader picks the widest that the processor has.
#ifndef TERN_BLOCKS_DISPATCH_H
#define TERN_BLOCKS_DISPATCH_H

// Not under the thread sanitizer, which cannot follow what runs before it is set up.
#if defined(__x86_64__) && !__has_feature(thread_sanitizer)
#define TERN_DISPATCHED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TERN_DISPATCHED
#endif
#define TERN_INLINE static inline __attribute__((always_inline))

#endif
