/* Promises of base/arena.h. */
#include "unit.h"

#include "base/arena.h"

static int order[4], norder;

static void note(void *arg)
{
	order[norder++] = *(int *)arg;
}

static void pieces_are_aligned_for_any_type(void **state)
{
	mo_arena a;

	mo_arena_init(&a, NULL);
	for (size_t n = 0; n < 200; n++)
		assert_int_equal((uintptr_t)mo_arena_alloc(&a, n) % _Alignof(max_align_t), 0);
	mo_arena_fini(&a);
}

static void pieces_of_all_sizes_never_overlap(void **state)
{
	enum { COUNT = 300 };
	static unsigned char *piece[COUNT];
	static size_t size[COUNT];
	mo_arena a;

	mo_arena_init(&a, NULL);
	for (size_t i = 0; i < COUNT; i++) {
		size[i] = (i * 37) % (3 * MO_ARENA_CHUNK);
		piece[i] = mo_arena_alloc(&a, size[i]);
		memset(piece[i], (int)(i & 0xff), size[i]);
	}
	for (size_t i = 0; i < COUNT; i++)
		for (size_t k = 0; k < size[i]; k++)
			assert_int_equal(piece[i][k], i & 0xff);
	mo_arena_fini(&a);
}

static void a_large_piece_leaves_the_small_ones_their_chunk(void **state)
{
#if MO_ASAN
	skip_because("under AddressSanitizer each piece is its own allocation");
#else
	mo_arena a;
	char *first, *second;

	mo_arena_init(&a, NULL);
	first = mo_arena_alloc(&a, 16);
	mo_arena_alloc(&a, 10 * MO_ARENA_CHUNK);
	second = mo_arena_alloc(&a, 16);
	assert_ptr_equal(second, first + 16);
	mo_arena_fini(&a);
#endif
}

static void zalloc_gives_zeroes_even_from_a_used_chunk(void **state)
{
	static const char zero[1000];
	mo_chunk_cache cache = { 0 };
	mo_arena a;

	mo_arena_init(&a, &cache);
	memset(mo_arena_alloc(&a, 1000), 0xff, 1000);
	mo_arena_fini(&a);
	assert_memory_equal(mo_arena_zalloc(&a, 1000), zero, 1000);
	mo_arena_fini(&a);
	mo_chunk_cache_drain(&cache);
}

static void chunks_go_back_to_the_cache_and_are_used_again(void **state)
{
#if MO_ASAN
	skip_because("under AddressSanitizer the cache is off");
#else
	mo_chunk_cache cache = { 0 };
	mo_arena a;

	mo_arena_init(&a, &cache);
	mo_arena_alloc(&a, 100);
	assert_int_equal(cache.count, 0);
	mo_arena_fini(&a);
	assert_int_equal(cache.count, 1);
	mo_arena_alloc(&a, 100);
	assert_int_equal(cache.count, 0);
	mo_arena_fini(&a);
	mo_chunk_cache_drain(&cache);
	assert_int_equal(cache.count, 0);
	assert_null(cache.spare);
#endif
}

static void the_cache_keeps_a_limited_number_of_chunks(void **state)
{
	mo_chunk_cache cache = { 0 };
	mo_arena a;

	mo_arena_init(&a, &cache);
	for (int i = 0; i < 2000; i++)
		mo_arena_alloc(&a, MO_ARENA_CHUNK / 3);
	mo_arena_fini(&a);
	assert_true(cache.count <= 256);
	mo_chunk_cache_drain(&cache);
}

static void deferred_calls_run_last_in_first_out(void **state)
{
	int one = 1, two = 2, three = 3;
	mo_arena a;

	norder = 0;
	mo_arena_init(&a, NULL);
	mo_arena_defer(&a, note, &one);
	mo_arena_defer(&a, note, &two);
	mo_arena_defer(&a, note, &three);
	mo_arena_fini(&a);
	assert_int_equal(norder, 3);
	assert_int_equal(order[0], 3);
	assert_int_equal(order[1], 2);
	assert_int_equal(order[2], 1);
}

static mo_arena *again;
static int again_arg = 7;

static void defer_one_more(void *arg)
{
	mo_arena_defer(again, note, &again_arg);
}

static void a_deferred_call_may_defer_another(void **state)
{
	mo_arena a;

	norder = 0;
	mo_arena_init(&a, NULL);
	again = &a;
	mo_arena_defer(&a, defer_one_more, NULL);
	mo_arena_fini(&a);
	assert_int_equal(norder, 1);
	assert_int_equal(order[0], 7);
}

static void an_arena_may_lie_inside_itself(void **state)
{
	mo_arena first, *inside;

	mo_arena_init(&first, NULL);
	inside = mo_arena_alloc(&first, sizeof(*inside));
	*inside = first;
	for (int i = 0; i < 100; i++)
		mo_arena_alloc(inside, 500);
	mo_arena_fini(inside);
}

static void text_is_copied_and_terminated(void **state)
{
	mo_arena a;
	char *p;

	mo_arena_init(&a, NULL);
	p = mo_arena_strndup(&a, "hello", 3);
	assert_string_equal(p, "hel");
	assert_string_equal(mo_arena_strndup(&a, NULL, 0), "");
	mo_arena_fini(&a);
}

static void formatted_text_may_be_short_or_long(void **state)
{
	char big[5000];
	mo_arena a;

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	mo_arena_init(&a, NULL);
	assert_string_equal(mo_arena_fmt(&a, "%d-%s", 5, "y"), "5-y");
	assert_int_equal(strlen(mo_arena_fmt(&a, "<%s>", big)), sizeof(big) + 1);
	for (int n = 250; n < 260; n++)
		assert_int_equal(strlen(mo_arena_fmt(&a, "%.*s", n, big)), n);
	mo_arena_fini(&a);
}

static void ask_for_nearly_everything(void)
{
	mo_arena a;

	mo_arena_init(&a, NULL);
	mo_arena_alloc(&a, 16);
	mo_arena_alloc(&a, SIZE_MAX - 3);
}

static void a_size_that_would_wrap_ends_the_program(void **state)
{
	assert_true(dies(ask_for_nearly_everything));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_aligned_for_any_type),
		cmocka_unit_test(pieces_of_all_sizes_never_overlap),
		cmocka_unit_test(a_large_piece_leaves_the_small_ones_their_chunk),
		cmocka_unit_test(zalloc_gives_zeroes_even_from_a_used_chunk),
		cmocka_unit_test(chunks_go_back_to_the_cache_and_are_used_again),
		cmocka_unit_test(the_cache_keeps_a_limited_number_of_chunks),
		cmocka_unit_test(deferred_calls_run_last_in_first_out),
		cmocka_unit_test(a_deferred_call_may_defer_another),
		cmocka_unit_test(an_arena_may_lie_inside_itself),
		cmocka_unit_test(text_is_copied_and_terminated),
		cmocka_unit_test(formatted_text_may_be_short_or_long),
		cmocka_unit_test(a_size_that_would_wrap_ends_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
