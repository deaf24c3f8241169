/* fit.c - dynamic programming over the points in rising order.
 *
 *     best[k][j] = the least cost of all requests up to point j, when j is a class and k were added
 *                = min over the class i before j of  best[k - (j is added)][i] + cost of (i, j]
 *
 * No class of the ladder may lie between i and j. Every choice of classes is one path from the
 * start to the last point, so the minimum over all paths is the optimum; 2048 points and 16 classes
 * take a few million steps. */
#include "tools/tune/fit.h"

#include <string.h>

/* Row j + 1 is for point j; row 0 for the start, before all points. */
struct table {
    double best[FIT_CHOSEN_MOST + 1][FIT_POINTS_MOST + 1];
    uint16_t before[FIT_CHOSEN_MOST + 1][FIT_POINTS_MOST + 1];
    double blocks[FIT_POINTS_MOST + 1]; /* sums over the points before */
    double asked[FIT_POINTS_MOST + 1];
};

static const double IMPOSSIBLE = 1e300;

/* Bytes lost by the requests at points i..j-1 (rows i+1..j) in objects of the last one's size. */
static double cost_of(const struct table *table, const struct fit_point *points, size_t i, size_t j)
{
    return points[j - 1].bytes * (table->blocks[j] - table->blocks[i]) -
           (table->asked[j] - table->asked[i]);
}

/* Fills in best[k][j]: tries every class before it. */
static void try_all(struct table *table, const struct fit_point *points, size_t k, size_t j,
                    double price)
{
    bool is_added = !points[j - 1].is_class;
    table->best[k][j] = IMPOSSIBLE;
    if (is_added && k == 0)
        return;
    const double *from = table->best[k - is_added];
    for (size_t i = j; i-- > 0;) {
        double cost = from[i] + cost_of(table, points, i, j) + (is_added ? price : 0);
        if (from[i] < IMPOSSIBLE && cost < table->best[k][j]) {
            table->best[k][j] = cost;
            table->before[k][j] = (uint16_t)i;
        }
        if (i > 0 && points[i - 1].is_class)
            return;
    }
}

static void sum_up(struct table *table, const struct fit_point *points, size_t count)
{
    table->blocks[0] = table->asked[0] = 0;
    for (size_t i = 0; i < count; i++) {
        table->blocks[i + 1] = table->blocks[i] + points[i].blocks;
        table->asked[i + 1] = table->asked[i] + points[i].asked;
    }
}

static size_t find_cheapest(const struct table *table, size_t count, size_t most)
{
    size_t cheapest = 0;
    for (size_t k = 1; k <= most; k++) {
        if (table->best[k][count] < table->best[cheapest][count])
            cheapest = k;
    }
    return cheapest;
}

static void mark_chosen(const struct table *table, struct fit_point *points, size_t count, size_t k)
{
    for (size_t i = 0; i < count; i++)
        points[i].is_chosen = false;
    for (size_t j = count; j > 0;) {
        size_t before = table->before[k][j];
        points[j - 1].is_chosen = !points[j - 1].is_class;
        k -= points[j - 1].is_chosen;
        j = before;
    }
}

double fit_choose(struct fit_point *points, size_t count, size_t most, double price)
{
    static struct table table;
    sum_up(&table, points, count);
    for (size_t k = 0; k <= most; k++) {
        table.best[k][0] = k == 0 ? 0 : IMPOSSIBLE;
        for (size_t j = 1; j <= count; j++)
            try_all(&table, points, k, j, price);
    }
    size_t cheapest = find_cheapest(&table, count, most);
    mark_chosen(&table, points, count, cheapest);
    return table.best[cheapest][count];
}
