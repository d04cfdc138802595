#include "scaling/canvas.h"

#include <cairo.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/utf8.h"

static const char family[] = "DejaVu Sans"; // fontconfig takes another sans-serif font where it is missing

struct tt_canvas {
  char path[PATH_MAX];
  double width, height;
  cairo_surface_t *surface; // the picture; for an SVG only a means to measure text
  cairo_t *cairo;
  FILE *svg; // into `markup`; NULL for a PNG
  char *markup;
  size_t markup_size;
  int clips;      // number of SVG clip paths so far, for their ids
  char *readable; // the last text that was no UTF-8, made some
};

// XML and cairo take nothing but UTF-8; a run's folder or a column of a table may have any bytes for a name.
static const char *readable(tt_canvas *c, const char *text) {
  if (tt_utf8_valid(text)) return text;
  free(c->readable);
  c->readable = tt_utf8_text(text);
  return c->readable ? c->readable : "";
}

static bool ends_with(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a > b && strcmp(text + a - b, end) == 0;
}

static void escape(FILE *out, const char *text) {
  for (; *text; text++) {
    if (*text == '&')
      fputs("&amp;", out);
    else if (*text == '<')
      fputs("&lt;", out);
    else if (*text == '>')
      fputs("&gt;", out);
    else if (*text == '"')
      fputs("&quot;", out);
    else if ((unsigned char)*text >= ' ')
      fputc(*text, out);
  }
}

static void svg_color(FILE *out, const char *attribute, tt_color c) {
  fprintf(out, " %s=\"#%02x%02x%02x\"", attribute, (int)(255 * c.red + .5), (int)(255 * c.green + .5),
          (int)(255 * c.blue + .5));
  if (c.opacity < 1) fprintf(out, " %s-opacity=\"%.2f\"", attribute, c.opacity);
}

static tt_status check_ending(const char *path) {
  if (ends_with(path, ".svg") || ends_with(path, ".png")) return TT_OK;
  return tt_fail(TT_ERR_ARGUMENT,
                 "cannot tell which kind of picture '%s' is to be: its name must end in .png or .svg", path);
}

tt_status tt_canvas_check(const char *path) {
  char target[PATH_MAX];
  TT_TRY(check_ending(path));
  return tt_file_target(path, target, sizeof target);
}

tt_status tt_canvas_create(tt_canvas **canvas, const char *path, double width, double height, double scale) {
  *canvas = NULL;
  bool svg = ends_with(path, ".svg");
  TT_TRY(check_ending(path));
  tt_canvas *c;
  TT_TRY(tt_alloc(&c, 1, sizeof *c, "a picture"));
  if (snprintf(c->path, sizeof c->path, "%s", path) >= (int)sizeof c->path) {
    free(c);
    return tt_fail(TT_ERR_IO, "the path %.60s... is too long", path);
  }
  c->width = width, c->height = height;
  c->surface =
      svg ? cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1)
          : cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(width * scale), (int)(height * scale));
  c->cairo = cairo_create(c->surface);
  if (svg) c->svg = open_memstream(&c->markup, &c->markup_size);
  if (cairo_status(c->cairo) != CAIRO_STATUS_SUCCESS || (svg && !c->svg)) {
    tt_canvas_free(c);
    return tt_fail(TT_ERR_MEMORY, "out of memory drawing %s", path);
  }
  if (!svg) cairo_scale(c->cairo, scale, scale);
  // letters keep their shape and width at every size, so that both kinds of file have one layout
  cairo_font_options_t *font = cairo_font_options_create();
  cairo_font_options_set_hint_style(font, CAIRO_HINT_STYLE_NONE);
  cairo_font_options_set_hint_metrics(font, CAIRO_HINT_METRICS_OFF);
  cairo_font_options_set_antialias(font, CAIRO_ANTIALIAS_GRAY);
  cairo_set_font_options(c->cairo, font);
  cairo_font_options_destroy(font);
  cairo_set_line_join(c->cairo, CAIRO_LINE_JOIN_ROUND);
  if (svg)
    fprintf(c->svg,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" width=\"%g\" height=\"%g\" "
            "font-family=\"'%s', Verdana, Helvetica, sans-serif\" stroke-linejoin=\"round\">\n",
            width, height, width, height, family);
  tt_canvas_fill(c, (tt_box){0, 0, width, height}, (tt_color){1, 1, 1, 1});
  *canvas = c;
  return TT_OK;
}

static void set_color(tt_canvas *c, tt_color color) {
  cairo_set_source_rgba(c->cairo, color.red, color.green, color.blue, color.opacity);
}

static void svg_points(FILE *out, const tt_point *points, size_t count) {
  fputs(" points=\"", out);
  for (size_t i = 0; i < count; i++) fprintf(out, "%s%.2f,%.2f", i ? " " : "", points[i].x, points[i].y);
  fputs("\"/>\n", out);
}

static void cairo_points(cairo_t *cairo, const tt_point *points, size_t count) {
  cairo_move_to(cairo, points[0].x, points[0].y);
  for (size_t i = 1; i < count; i++) cairo_line_to(cairo, points[i].x, points[i].y);
}

void tt_canvas_line(tt_canvas *c, const tt_point *points, size_t count, double width, tt_color color,
                    const double dash[2]) {
  if (count < 2) return;
  if (c->svg) {
    fprintf(c->svg, "<polyline fill=\"none\" stroke-width=\"%.4g\"", width);
    svg_color(c->svg, "stroke", color);
    if (dash) fprintf(c->svg, " stroke-dasharray=\"%g %g\"", dash[0], dash[1]);
    svg_points(c->svg, points, count);
    return;
  }
  cairo_points(c->cairo, points, count);
  cairo_set_line_width(c->cairo, width);
  cairo_set_dash(c->cairo, dash, dash ? 2 : 0, 0);
  set_color(c, color);
  cairo_stroke(c->cairo);
}

void tt_canvas_area(tt_canvas *c, const tt_point *points, size_t count, tt_color color) {
  if (count < 3) return;
  if (c->svg) {
    fputs("<polygon", c->svg);
    svg_color(c->svg, "fill", color);
    svg_points(c->svg, points, count);
    return;
  }
  cairo_points(c->cairo, points, count);
  cairo_close_path(c->cairo);
  set_color(c, color);
  cairo_fill(c->cairo);
}

void tt_canvas_disc(tt_canvas *c, tt_point centre, double radius, tt_color color) {
  const double rim = 0.8;
  if (c->svg) {
    fprintf(c->svg, "<circle cx=\"%.2f\" cy=\"%.2f\" r=\"%.4g\" stroke=\"#ffffff\" stroke-width=\"%g\"",
            centre.x, centre.y, radius, rim);
    svg_color(c->svg, "fill", color);
    fputs("/>\n", c->svg);
    return;
  }
  cairo_new_path(c->cairo);
  cairo_arc(c->cairo, centre.x, centre.y, radius, 0, 2 * 3.14159265358979);
  set_color(c, color);
  cairo_fill_preserve(c->cairo);
  cairo_set_line_width(c->cairo, rim);
  cairo_set_dash(c->cairo, NULL, 0, 0);
  set_color(c, (tt_color){1, 1, 1, 1});
  cairo_stroke(c->cairo);
}

void tt_canvas_fill(tt_canvas *c, tt_box box, tt_color color) {
  if (c->svg) {
    fprintf(c->svg, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"", box.x, box.y, box.width,
            box.height);
    svg_color(c->svg, "fill", color);
    fputs("/>\n", c->svg);
    return;
  }
  cairo_rectangle(c->cairo, box.x, box.y, box.width, box.height);
  set_color(c, color);
  cairo_fill(c->cairo);
}

static void choose_font(tt_canvas *c, const tt_text_style *style) {
  cairo_select_font_face(c->cairo, family, CAIRO_FONT_SLANT_NORMAL,
                         style->bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(c->cairo, style->size);
}

double tt_canvas_text_width(tt_canvas *c, const tt_text_style *style, const char *text) {
  cairo_text_extents_t extents;
  choose_font(c, style);
  cairo_text_extents(c->cairo, readable(c, text), &extents);
  return extents.x_advance;
}

void tt_canvas_text(tt_canvas *c, tt_point at, const tt_text_style *style, const char *text) {
  if (c->svg) {
    static const char *const anchors[] = {"start", "middle", "end"};
    fprintf(c->svg, "<text x=\"%.2f\" y=\"%.2f\" font-size=\"%g\" text-anchor=\"%s\"", at.x, at.y,
            style->size, anchors[style->anchor]);
    if (style->bold) fputs(" font-weight=\"bold\"", c->svg);
    if (style->turn != 0) fprintf(c->svg, " transform=\"rotate(%g %.2f %.2f)\"", style->turn, at.x, at.y);
    svg_color(c->svg, "fill", style->color);
    fputc('>', c->svg);
    escape(c->svg, readable(c, text));
    fputs("</text>\n", c->svg);
    return;
  }
  double left = -tt_canvas_text_width(c, style, text) * (double)style->anchor / 2;
  cairo_save(c->cairo);
  cairo_translate(c->cairo, at.x, at.y);
  cairo_rotate(c->cairo, style->turn * 3.14159265358979 / 180);
  cairo_move_to(c->cairo, left, 0);
  set_color(c, style->color);
  cairo_show_text(c->cairo, readable(c, text));
  cairo_restore(c->cairo);
}

void tt_canvas_begin(tt_canvas *c, tt_box box, const char *group, const char *title) {
  if (c->svg) {
    int id = c->clips++;
    fprintf(
        c->svg,
        "<clipPath id=\"clip%d\"><rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/></clipPath>\n"
        "<g class=\"%s\" clip-path=\"url(#clip%d)\"><title>",
        id, box.x, box.y, box.width, box.height, group, id);
    escape(c->svg, readable(c, title));
    fputs("</title>\n", c->svg);
    return;
  }
  cairo_save(c->cairo);
  cairo_rectangle(c->cairo, box.x, box.y, box.width, box.height);
  cairo_clip(c->cairo);
}

void tt_canvas_end(tt_canvas *c) {
  if (c->svg)
    fputs("</g>\n", c->svg);
  else
    cairo_restore(c->cairo);
}

static tt_status write_svg(tt_canvas *c) {
  fputs("</svg>\n", c->svg);
  int failed = ferror(c->svg);
  failed |= fclose(c->svg);
  c->svg = NULL;
  if (failed) return tt_fail(TT_ERR_MEMORY, "out of memory drawing %s", c->path);
  char target[PATH_MAX];
  TT_TRY(tt_file_target(c->path, target, sizeof target));
  return tt_file_replace(target, c->markup, c->markup_size);
}

typedef struct {
  FILE *file;
  char *data;
  size_t bytes;
} picture;

static cairo_status_t keep(void *to, const unsigned char *data, unsigned bytes) {
  picture *p = to;
  return fwrite(data, 1, bytes, p->file) == bytes ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_NO_MEMORY;
}

// In memory first: cairo does not say why a file could not be written.
static tt_status write_png(tt_canvas *c) {
  char target[PATH_MAX];
  TT_TRY(tt_file_target(c->path, target, sizeof target));
  picture p = {0};
  p.file = open_memstream(&p.data, &p.bytes);
  cairo_surface_flush(c->surface);
  cairo_status_t failure = p.file ? cairo_status(c->cairo) : CAIRO_STATUS_NO_MEMORY;
  if (failure == CAIRO_STATUS_SUCCESS) failure = cairo_surface_write_to_png_stream(c->surface, keep, &p);
  if (p.file && fclose(p.file) != 0) failure = CAIRO_STATUS_NO_MEMORY;
  tt_status status = failure == CAIRO_STATUS_SUCCESS
                         ? tt_file_replace(target, p.data, p.bytes)
                         : tt_fail(TT_ERR_IO, "cannot draw %s: %s", c->path, cairo_status_to_string(failure));
  free(p.data);
  return status;
}

tt_status tt_canvas_write(tt_canvas *c) {
  tt_status status = c->svg ? write_svg(c) : write_png(c);
  tt_canvas_free(c);
  return status;
}

void tt_canvas_free(tt_canvas *c) {
  if (!c) return;
  if (c->svg) fclose(c->svg);
  free(c->markup), free(c->readable);
  cairo_destroy(c->cairo);
  cairo_surface_destroy(c->surface);
  free(c);
}
