/* XXH3 128-bit of 4096-byte pages, zero pages, equal pages; see pagehash.h. */
#include "pagehash.h"

#define STRIPE 64u
#define SECRET_WORDS 24u
#define STRIPES_A_BLOCK 16u /* (192 - 64) / 8: the secret moves by 8 bytes a stripe */

static const uint64_t PRIME32_1 = 0x9e3779b1u, PRIME32_2 = 0x85ebca77u, PRIME32_3 = 0xc2b2ae3du;
static const uint64_t PRIME64_1 = 0x9e3779b185ebca87u, PRIME64_2 = 0xc2b2ae3d27d4eb4fu, PRIME64_3 = 0x165667b19e3779f9u,
		      PRIME64_4 = 0x85ebca77c2b2ae63u, PRIME64_5 = 0x27d4eb2f165667c5u;

/* XXH3's default secret, as little-endian words. */
static const uint64_t SECRET[SECRET_WORDS] = {
	0xbe4ba423396cfeb8u, 0x1cad21f72c81017cu, 0xdb979083e96dd4deu, 0x1f67b3b7a4a44072u,
	0x78e5c0cc4ee679cbu, 0x2172ffcc7dd05a82u, 0x8e2443f7744608b8u, 0x4c263a81e69035e0u,
	0xcb00c391bb52283cu, 0xa32e531b8b65d088u, 0x4ef90da297486471u, 0xd8acdea946ef1938u,
	0x3f349ce33f76faa8u, 0x1d4f0bc7c7bbdcf9u, 0x3159b4cd4be0518au, 0x647378d9c97e9fc8u,
	0xc3ebd33483acc5eau, 0xeb6313faffa081c5u, 0x49daf0b751dd0d17u, 0x9e68d429265516d3u,
	0xfca1477d58be162bu, 0xce31d07ad1b8f88fu, 0x280416958f3acb45u, 0x7e404bbbcafbd7afu,
};

/* Two 64-bit lanes. Both compilers have them; only the wide multiply needs help on WebAssembly. */
typedef uint64_t v2 __attribute__((vector_size(16)));
typedef uint64_t v2_unaligned __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word_unaligned __attribute__((aligned(1), may_alias));

static inline v2 load(const void *p)
{
	return *(const v2_unaligned *)p;
}

static inline uint64_t word(const void *p)
{
	return *(const word_unaligned *)p;
}

static inline v2 swapped(v2 v)
{
	return __builtin_shufflevector(v, v, 1, 0);
}

#ifdef __wasm_simd128__
#include <wasm_simd128.h>
/* Low half times high half of each lane, of two vectors: extmul takes lanes that lie side by side. */
static inline void fold(v2 a, v2 b, v2 *fa, v2 *fb)
{
	v128_t low = wasm_i32x4_shuffle((v128_t)a, (v128_t)b, 0, 2, 4, 6);
	v128_t high = wasm_i32x4_shuffle((v128_t)a, (v128_t)b, 1, 3, 5, 7);
	*fa = (v2)wasm_u64x2_extmul_low_u32x4(low, high);
	*fb = (v2)wasm_u64x2_extmul_high_u32x4(low, high);
}
#else
static inline void fold(v2 a, v2 b, v2 *fa, v2 *fb)
{
	*fa = (a & 0xffffffffu) * (a >> 32);
	*fb = (b & 0xffffffffu) * (b >> 32);
}
#endif

static inline void accumulate(v2 acc[4], const uint8_t *stripe, const uint8_t *secret)
{
	for (int i = 0; i < 4; i += 2) {
		v2 a = load(stripe + 16 * i), b = load(stripe + 16 * i + 16), fa, fb;
		fold(a ^ load(secret + 16 * i), b ^ load(secret + 16 * i + 16), &fa, &fb);
		acc[i] += fa + swapped(a);
		acc[i + 1] += fb + swapped(b);
	}
}

static inline void scramble(v2 acc[4], const uint8_t *secret)
{
	for (int i = 0; i < 4; i++)
		acc[i] = (acc[i] ^ acc[i] >> 47 ^ load(secret + 16 * i)) * PRIME32_1;
}

/* High half xor low half of a 64 x 64 bit product. */
static inline uint64_t multiply_fold(uint64_t a, uint64_t b)
{
	uint64_t ll = (a & 0xffffffffu) * (b & 0xffffffffu), hl = (a >> 32) * (b & 0xffffffffu);
	uint64_t lh = (a & 0xffffffffu) * (b >> 32), hh = (a >> 32) * (b >> 32);
	uint64_t cross = (ll >> 32) + (hl & 0xffffffffu) + lh;
	return (cross << 32 | (ll & 0xffffffffu)) ^ (hh + (hl >> 32) + (cross >> 32));
}

static uint64_t merge(const v2 acc[4], const uint8_t *secret, uint64_t start)
{
	uint64_t h = start;
	for (int i = 0; i < 4; i++)
		h += multiply_fold(acc[i][0] ^ word(secret + 16 * i), acc[i][1] ^ word(secret + 16 * i + 8));
	h ^= h >> 37;
	h *= 0x165667919e3779f9u;
	return h ^ h >> 32;
}

static struct sf_hash hash_page(const uint8_t *page, const uint64_t *secret_words)
{
	const uint8_t *secret = (const uint8_t *)secret_words;
	v2 acc[4] = {
		{ PRIME32_3, PRIME64_1 },
		{ PRIME64_2, PRIME64_3 },
		{ PRIME64_4, PRIME32_2 },
		{ PRIME64_5, PRIME32_1 },
	};
	for (uint32_t stripe = 0; stripe < SF_PAGE / STRIPE - 1; stripe++) {
		uint32_t in_block = stripe % STRIPES_A_BLOCK;
		accumulate(acc, page + stripe * STRIPE, secret + 8 * in_block);
		if (in_block == STRIPES_A_BLOCK - 1)
			scramble(acc, secret + 8 * SECRET_WORDS - STRIPE);
	}
	accumulate(acc, page + SF_PAGE - STRIPE, secret + 8 * SECRET_WORDS - STRIPE - 7);
	return (struct sf_hash){
		merge(acc, secret + 11, SF_PAGE * PRIME64_1),
		merge(acc, secret + 8 * SECRET_WORDS - STRIPE - 11, ~(SF_PAGE * PRIME64_2)),
	};
}

static void seed_secret(uint64_t out[SECRET_WORDS], uint64_t seed)
{
	for (uint32_t i = 0; i < SECRET_WORDS; i += 2) {
		out[i] = SECRET[i] + seed;
		out[i + 1] = SECRET[i + 1] - seed;
	}
}

void sf_hash_pages(const uint8_t *pages, uint32_t count, uint64_t seed, struct sf_hash *out)
{
	uint64_t secret[SECRET_WORDS];
	seed_secret(secret, seed);
	for (uint32_t i = 0; i < count; i++)
		out[i] = hash_page(pages + (size_t)i * SF_PAGE, secret);
}

static bool is_zero(const uint8_t *page)
{
	for (uint32_t at = 0; at < SF_PAGE; at += 128) {
		v2 any = { 0 };
		for (uint32_t i = 0; i < 128; i += 16)
			any |= load(page + at + i);
		if ((any[0] | any[1]) != 0)
			return false;
	}
	return true;
}

static bool is_equal(const uint8_t *a, const uint8_t *b)
{
	for (uint32_t at = 0; at < SF_PAGE; at += 128) {
		v2 any = { 0 };
		for (uint32_t i = 0; i < 128; i += 16)
			any |= load(a + at + i) ^ load(b + at + i);
		if ((any[0] | any[1]) != 0)
			return false;
	}
	return true;
}

static inline void set_bit(uint8_t *bitmap, uint32_t i, bool value)
{
	if (i % 8 == 0)
		bitmap[i / 8] = 0;
	bitmap[i / 8] |= (uint8_t)(value << i % 8);
}

uint32_t sf_zero_pages(const uint8_t *pages, uint32_t count, uint8_t *bitmap)
{
	uint32_t found = 0;
	for (uint32_t i = 0; i < count; i++) {
		bool zero = is_zero(pages + (size_t)i * SF_PAGE);
		set_bit(bitmap, i, zero);
		found += zero;
	}
	return found;
}

uint32_t sf_differing_pages(const uint8_t *a, const uint8_t *b, uint32_t count, uint8_t *bitmap)
{
	uint32_t found = 0;
	for (uint32_t i = 0; i < count; i++) {
		bool differs = !is_equal(a + (size_t)i * SF_PAGE, b + (size_t)i * SF_PAGE);
		set_bit(bitmap, i, differs);
		found += differs;
	}
	return found;
}

uint32_t sf_differing_bytes(const uint8_t *a, const uint8_t *b, uint32_t size)
{
	uint32_t found = 0;
	for (uint32_t i = 0; i < size; i++)
		found += a[i] != b[i];
	return found;
}
