/* maps.c - the maps of the heap for the page: its units from the first address on. */
#include "tools/html/html.h"

enum { MOST_CELLS = 6000 }; /* of a map; above, a cell is several units */

/* How many units a cell has to be for the map to stay below MOST_CELLS. */
static uint64_t choose_scale(const struct map *map)
{
    for (uint64_t scale = 1;; scale *= 2) {
        size_t cells = 0;
        for (size_t i = 0; i < map->units && cells <= MOST_CELLS; i++)
            cells += i == 0 || map->unit[i].number / scale != map->unit[i - 1].number / scale;
        if (cells <= MOST_CELLS)
            return scale;
    }
}

/* The cell as three numbers: steps since the one before, percent in use, and n of the power 2^n
 * that the largest block does not exceed. */
static void add_cell(json_t *cells, uint64_t step, uint64_t bytes, uint64_t cell_bytes,
                     uint32_t largest)
{
    uint64_t percent = bytes * 100 / cell_bytes;
    unsigned power = largest <= 1 ? 0 : 32 - (unsigned)__builtin_clz(largest - 1);
    json_array_append_new(cells, values_number(step));
    json_array_append_new(cells, values_number(percent < 100 ? percent : 100));
    json_array_append_new(cells, values_number(power));
}

static json_t *make_cells(const struct map *map, uint64_t scale)
{
    json_t *cells = json_array();
    uint64_t before = map->units == 0 ? 0 : map->unit[0].number / scale;
    for (size_t i = 0; i < map->units;) {
        uint64_t cell = map->unit[i].number / scale, bytes = 0;
        uint32_t largest = 0;
        for (; i < map->units && map->unit[i].number / scale == cell; i++) {
            bytes += map->unit[i].bytes;
            largest = map->unit[i].largest > largest ? map->unit[i].largest : largest;
        }
        add_cell(cells, cell - before, bytes, scale * MAP_UNIT_BYTES, largest);
        before = cell;
    }
    return cells;
}

json_t *html_make_maps(const struct analysis *analysis)
{
    json_t *maps = json_array();
    for (size_t i = 0; i < analysis->maps.taken; i++) {
        const struct map *map = &analysis->maps.map[i];
        json_t *object = json_object();
        uint64_t scale = choose_scale(map);
        uint64_t first = map->units == 0 ? 0 : map->unit[0].number / scale;
        values_set_number(object, "cell_bytes", scale * MAP_UNIT_BYTES);
        values_set_number(object, "first", first * scale * MAP_UNIT_BYTES);
        json_object_set_new(object, "cells", make_cells(map, scale));
        json_array_append_new(maps, object);
    }
    return maps;
}
