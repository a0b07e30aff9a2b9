package plot

import (
	"math"
	"strconv"
)

// A scale leads from values to pixels.
type scale struct {
	log         bool
	least, most float64 // of the values, or of their logarithms
	from, to    float64 // pixels
	ticks       []float64
}

func (s scale) at(value float64) float64 {
	if s.log {
		value = math.Log10(value)
	}
	return s.from + (value-s.least)/(s.most-s.least)*(s.to-s.from)
}

// linear is a scale with about five ticks at round values; it ends at one of them.
func linear(least, most, from, to float64) scale {
	if !(most > least) { // one value, or none
		if math.IsInf(least, 0) {
			least = 0
		}
		most = least + 1
	}
	step := math.Pow(10, math.Floor(math.Log10((most-least)/5)))
	for _, m := range []float64{1, 2, 5, 10} {
		if (most-least)/(step*m) <= 6 {
			step *= m
			break
		}
	}
	s := scale{least: math.Floor(least/step) * step, most: math.Ceil(most/step) * step, from: from, to: to}
	for i := 0; ; i++ {
		tick := s.least + float64(i)*step
		if tick > s.most+step/2 {
			return s
		}
		s.ticks = append(s.ticks, tick)
	}
}

// logarithmic is a scale with a tick at each power of ten; it begins and ends at one.
func logarithmic(least, most, from, to float64) scale {
	if math.IsInf(least, 0) {
		least, most = 1, 10
	}
	s := scale{log: true, least: math.Floor(math.Log10(least)), most: math.Ceil(math.Log10(most)), from: from, to: to}
	if s.most == s.least {
		s.most++
	}
	for e := s.least; e <= s.most; e++ {
		s.ticks = append(s.ticks, math.Pow(10, e))
	}
	return s
}

// number is a value as an axis shows it.
func number(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 4, 64) + " M"
	case v >= 1e4:
		return strconv.FormatFloat(v/1e3, 'g', 4, 64) + " k"
	default:
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
}
