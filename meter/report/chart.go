package report

import (
	"strconv"
	"strings"
	"time"
)

// point is a place in a chart, from the top left corner.
type point struct{ X, Y float64 }

// drawing is a chart laid out in a box: the same for HTML and PDF.
type drawing struct {
	Width, Height float64
	In, Out       []point // outlines
	Percentile    float64 // height of the line
	PercentileIs  string
	Lines         []mark // across, with what they stand for
	Days          []mark // down
	Empty         bool
}

type mark struct {
	At   float64
	Text string
}

// draw lays a chart out. The highest value touches the top but for a tenth.
func draw(c Chart, from, to time.Time, width, height float64) drawing {
	d := drawing{Width: width, Height: height}
	var most uint64
	for i := range c.In {
		most = max(most, c.In[i], c.Out[i])
	}
	most = max(most, c.Percentile)
	d.Empty = most == 0
	scale := nice(float64(max(most, 1)) * 1.1)
	y := func(v float64) float64 { return height - v/scale*height }
	outline := func(values []uint64) []point {
		points := make([]point, 0, 2*len(values))
		for i, v := range values {
			step := width / float64(len(values))
			points = append(points, point{float64(i) * step, y(float64(v))}, point{float64(i+1) * step, y(float64(v))})
		}
		return points
	}
	d.In, d.Out = outline(c.In), outline(c.Out)
	d.Percentile, d.PercentileIs = y(float64(c.Percentile)), "95th percentile "+short(float64(c.Percentile), "bit/s")
	for i := range 5 {
		v := scale * float64(i) / 4
		d.Lines = append(d.Lines, mark{y(v), short(v, "bit/s")})
	}
	length := to.Sub(from)
	for day := 0; ; day += 5 {
		at := time.Duration(day) * 24 * time.Hour
		if at >= length {
			return d
		}
		d.Days = append(d.Days, mark{width * float64(at) / float64(length), strconv.Itoa(day + 1)})
	}
}

// nice is the next number up that reads well as the end of an axis.
func nice(v float64) float64 {
	p := 1.0
	for p*10 < v {
		p *= 10
	}
	for _, m := range []float64{1, 1.2, 1.6, 2, 3, 4, 6, 8, 10} {
		if m*p >= v {
			return m * p
		}
	}
	return 10 * p
}

// path is an outline as the d of an SVG path.
func path(points []point) string {
	var b strings.Builder
	for i, p := range points {
		if i == 0 {
			b.WriteByte('M')
		} else {
			b.WriteByte('L')
		}
		b.WriteString(strconv.FormatFloat(p.X, 'f', 1, 64) + " " + strconv.FormatFloat(p.Y, 'f', 1, 64))
	}
	return b.String()
}
