/*
 * rte_acl of DPDK as a peer of the bench: builds a context from rules and classifies tuples with every method this machine has.
 *
 * Reads one file: u32 rules; of each ten u32 (source, its prefix length, destination, its prefix length, source ports low and high, destination ports low and
 * high, protocol, 1 when the protocol counts); u32 tuples; of each five u32 (source, destination, source port, destination port, protocol). Host byte order.
 * Writes the milliseconds of building, then a line a method: name, nanoseconds a packet (median of the rounds), and the sum of the numbers, from 1, of the packets
 * that match no rule or one with an even place (the first has place 0), modulo 2^32: what the bench's rules drop.
 */
#include <rte_acl.h>
#include <rte_byteorder.h>
#include <rte_eal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct tuple {
	uint8_t protocol;
	uint8_t unused[3];
	uint32_t source, destination;
	uint16_t sport, dport;
};

enum { PROTOCOL, SOURCE, DESTINATION, SPORT, DPORT, FIELDS };

static const struct rte_acl_field_def fields[FIELDS] = {
	{ RTE_ACL_FIELD_TYPE_BITMASK, 1, PROTOCOL, 0, offsetof(struct tuple, protocol) },
	{ RTE_ACL_FIELD_TYPE_MASK, 4, SOURCE, 1, offsetof(struct tuple, source) },
	{ RTE_ACL_FIELD_TYPE_MASK, 4, DESTINATION, 2, offsetof(struct tuple, destination) },
	{ RTE_ACL_FIELD_TYPE_RANGE, 2, SPORT, 3, offsetof(struct tuple, sport) },
	{ RTE_ACL_FIELD_TYPE_RANGE, 2, DPORT, 3, offsetof(struct tuple, dport) },
};

RTE_ACL_RULE_DEF(rule, FIELDS);

static const struct { const char *name; enum rte_acl_classify_alg alg; } methods[] = {
	{ "scalar", RTE_ACL_CLASSIFY_SCALAR },
	{ "SSE", RTE_ACL_CLASSIFY_SSE },
	{ "AVX2", RTE_ACL_CLASSIFY_AVX2 },
	{ "AVX-512x16", RTE_ACL_CLASSIFY_AVX512X16 },
	{ "AVX-512x32", RTE_ACL_CLASSIFY_AVX512X32 },
};

static void die(const char *what)
{
	fprintf(stderr, "rte-acl: %s\n", what);
	exit(1);
}

static uint32_t *words(FILE *in, uint32_t *count, size_t each)
{
	uint32_t *read;

	if (fread(count, 4, 1, in) != 1)
		die("the input ends early");
	read = malloc((size_t)*count * each * 4 + 4);
	if (read == NULL || fread(read, each * 4, *count, in) != *count)
		die("the input ends early");
	return read;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	return *(const double *)a < *(const double *)b ? -1 : 1;
}

static struct rte_acl_ctx *build(const uint32_t *rules, uint32_t count)
{
	struct rte_acl_param param = { "bench", SOCKET_ID_ANY, RTE_ACL_RULE_SZ(FIELDS), count };
	struct rte_acl_config config = { .num_categories = 1, .num_fields = FIELDS };
	struct rte_acl_ctx *context = rte_acl_create(&param);

	if (context == NULL)
		die("no context");
	for (uint32_t i = 0; i < count; i++, rules += 10) {
		struct rule one;

		memset(&one, 0, sizeof(one));
		one.data.category_mask = 1;
		one.data.priority = RTE_ACL_MAX_PRIORITY - i;
		one.data.userdata = i + 1;
		one.field[PROTOCOL].value.u8 = rules[8];
		one.field[PROTOCOL].mask_range.u8 = rules[9] ? 0xff : 0;
		one.field[SOURCE].value.u32 = rules[0];
		one.field[SOURCE].mask_range.u32 = rules[1];
		one.field[DESTINATION].value.u32 = rules[2];
		one.field[DESTINATION].mask_range.u32 = rules[3];
		one.field[SPORT].value.u16 = rules[4];
		one.field[SPORT].mask_range.u16 = rules[5];
		one.field[DPORT].value.u16 = rules[6];
		one.field[DPORT].mask_range.u16 = rules[7];
		if (rte_acl_add_rules(context, (struct rte_acl_rule *)&one, 1) != 0)
			die("a rule is refused");
	}
	memcpy(config.defs, fields, sizeof(fields));
	if (rte_acl_build(context, &config) != 0)
		die("cannot build");
	return context;
}

int main(int argc, char **argv)
{
	/* DPDK leaves vectors of 512 bits alone unless it is told. */
	char *eal[] = { argv[0], "--no-huge", "--no-pci", "--no-shconf", "--log-level=1", "--force-max-simd-bitwidth=512", "-m", "1024", "-l", "0", NULL };
	uint32_t rules, packets;
	FILE *in = argc == 3 ? fopen(argv[1], "rb") : NULL;
	int rounds = argc == 3 ? atoi(argv[2]) : 0;

	if (in == NULL || rounds < 1)
		die("usage: rte-acl FILE ROUNDS");
	if (rte_eal_init(sizeof(eal) / sizeof(eal[0]) - 1, eal) < 0)
		die("no EAL");
	uint32_t *rule_words = words(in, &rules, 10);
	uint32_t *packet_words = words(in, &packets, 5);
	struct tuple *tuples = calloc(packets, sizeof(*tuples));
	const uint8_t **data = calloc(packets, sizeof(*data));
	uint32_t *results = calloc(packets, sizeof(*results));
	double *times = calloc(rounds, sizeof(*times));

	for (uint32_t i = 0; i < packets; i++) {
		const uint32_t *one = packet_words + (size_t)i * 5;

		tuples[i] = (struct tuple){ one[4], { 0 }, rte_cpu_to_be_32(one[0]), rte_cpu_to_be_32(one[1]),
			rte_cpu_to_be_16(one[2]), rte_cpu_to_be_16(one[3]) };
		data[i] = (const uint8_t *)&tuples[i];
	}
	double start = now();
	struct rte_acl_ctx *context = build(rule_words, rules);
	printf("build %.3f\n", (now() - start) / 1e6);
	for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {
		uint32_t sum = 0;

		if (rte_acl_set_ctx_classify(context, methods[m].alg) != 0)
			continue;
		rte_acl_classify(context, data, results, packets, 1);
		for (int round = 0; round < rounds; round++) {
			start = now();
			rte_acl_classify(context, data, results, packets, 1);
			times[round] = now() - start;
		}
		qsort(times, rounds, sizeof(*times), ascending);
		for (uint32_t i = 0; i < packets; i++)
			sum += results[i] % 2 == 0 && results[i] != 0 ? 0 : i + 1;
		printf("%s %.2f %u\n", methods[m].name, times[rounds / 2] / packets, sum);
	}
	return 0;
}
