package docs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A command is one simple command of a shell.
type command struct {
	fence fence
	env   map[string]string // assignments before it
	words []string
	input string // of a here document
}

func (c command) String() string { return fmt.Sprintf("%v: %s", c.fence, strings.Join(c.words, " ")) }

// commands takes a script apart. It knows what documents need: words, quotes, comments, lines that go on, here
// documents, and ; & && || | between commands. What is substituted, as $(…) and $x, stays as it is.
func commands(f fence) ([]command, error) {
	var all []command
	lines := strings.Split(strings.ReplaceAll(f.text, "\\\n", " "), "\n")
	for i := 0; i < len(lines); i++ {
		simple, end, err := split(lines[i])
		if err != nil {
			return nil, fmt.Errorf("%v: %w: %s", f, err, lines[i])
		}
		var input strings.Builder
		if end != "" {
			for i++; i < len(lines) && lines[i] != end; i++ {
				input.WriteString(lines[i] + "\n")
			}
			if i == len(lines) {
				return nil, fmt.Errorf("%v: the here document has no line %s", f, end)
			}
		}
		for _, words := range simple {
			c := command{fence: f, env: map[string]string{}, input: input.String()}
			for len(words) > 0 {
				name, value, assigns := strings.Cut(words[0], "=")
				if !assigns || !isName(name) {
					break
				}
				c.env[name], words = value, words[1:]
			}
			if c.words = words; len(words) > 0 {
				all = append(all, c)
			}
		}
	}
	return all, nil
}

func isName(text string) bool {
	return text != "" && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789") == ""
}

// split takes a line apart into commands of words. end is where its here document ends, if it has one.
func split(line string) (simple [][]string, end string, err error) {
	var words []string
	var word strings.Builder
	inWord, quote, depth := false, rune(0), 0
	finish := func() {
		if inWord {
			words = append(words, word.String())
		}
		inWord = false
		word.Reset()
	}
	var last rune
	for i, c := range line {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				word.WriteRune(c)
			}
		case depth > 0 || c == '(' && last == '$': // a substitution, as it is
			switch c {
			case '(':
				depth++
			case ')':
				depth--
			}
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ' || c == '\t':
			finish()
		case c == '#' && !inWord:
			finish()
			return append(simple, words), end, nil
		case strings.HasPrefix(line[i:], "<<") && end == "":
			finish()
			end = strings.Trim(strings.Fields(strings.TrimLeft(line[i:], "<- "))[0], `'"`)
			return append(simple, words), end, nil
		case c == ';' || c == '&' || c == '|':
			finish()
			simple, words = append(simple, words), nil
		default:
			inWord = true
			word.WriteRune(c)
		}
		last = c
	}
	if quote != 0 || depth != 0 {
		return nil, "", fmt.Errorf("a quote or parenthesis has no end on its line")
	}
	finish()
	return append(simple, words), end, nil
}

func TestScriptsAreTakenApart(t *testing.T) {
	t.Parallel()
	got, err := commands(fence{text: `
A=b make demo   # a comment; with signs | in it
kubectl get pods \
  -o wide && echo "a b" 'c;d' | grep -q x
kubectl create secret generic s --from-literal=a="$(openssl rand -hex 24 | head -c 3)"
kubectl apply -f - <<'EOF'
kind: x # stays
EOF
X=1
`})
	require.NoError(t, err)
	var words [][]string
	for _, c := range got {
		words = append(words, c.words)
	}
	require.Equal(t, [][]string{
		{"make", "demo"}, {"kubectl", "get", "pods", "-o", "wide"}, {"echo", "a b", "c;d"}, {"grep", "-q", "x"},
		{"kubectl", "create", "secret", "generic", "s", `--from-literal=a=$(openssl rand -hex 24 | head -c 3)`},
		{"kubectl", "apply", "-f", "-"},
	}, words)
	require.Equal(t, map[string]string{"A": "b"}, got[0].env)
	require.Equal(t, "kind: x # stays\n", got[5].input)
	for _, bad := range []string{"echo 'x", "cat <<EOF\nx\n"} {
		_, err := commands(fence{text: bad})
		require.Error(t, err)
	}
}
