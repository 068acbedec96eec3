package security

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the folder of the module.
const root = "../.."

// tests are the names of all tests of the repository.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	found, name := map[string]bool{}, regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range name.FindAllSubmatch(text, -1) {
			found[string(m[1])] = true
		}
		return err
	})
	if err != nil || len(found) < 500 {
		t.Fatalf("%d tests found: %v", len(found), err)
	}
	return found
}

// required are the requirements of ASVS 5.0 of levels 1 and 2, by chapter and section: how
// many there are, as far as they come first, and those of level 3 in between.
func required() map[string]string {
	sections := map[string]string{ // level of each requirement, in order
		"1.1": "22", "1.2": "1111122223", "1.3": "112222222223", "1.4": "222", "1.5": "123",
		"2.1": "122", "2.2": "112", "2.3": "12223", "2.4": "23",
		"3.1": "3", "3.2": "11", "3.3": "12223", "3.4": "1122223", "3.5": "1112233", "3.6": "3", "3.7": "22333",
		"4.1": "12233", "4.2": "23333", "4.3": "22", "4.4": "1222",
		"5.1": "2", "5.2": "112333", "5.3": "113", "5.4": "222",
		"6.1": "122", "6.2": "111111122223", "6.3": "12233333", "6.4": "112233", "6.5": "22222333", "6.6": "2223", "6.7": "33", "6.8": "2222",
		"7.1": "222", "7.2": "1111", "7.3": "22", "7.4": "11222", "7.5": "223", "7.6": "22",
		"8.1": "1233", "8.2": "1123", "8.3": "133", "8.4": "23",
		"9.1": "111", "9.2": "1222",
		"10.1": "22", "10.2": "223", "10.3": "22223", "10.4": "1111122222233333", "10.5": "22222", "10.6": "22", "10.7": "222",
		"11.1": "2233", "11.2": "22233", "11.3": "11233", "11.4": "122", "11.5": "23", "11.6": "23", "11.7": "33",
		"12.1": "12233", "12.2": "11", "12.3": "22223",
		"13.1": "2333", "13.2": "222223", "13.3": "2233", "13.4": "1222233",
		"14.1": "22", "14.2": "12223333", "14.3": "122",
		"15.1": "12233", "15.2": "12233", "15.3": "1222222", "15.4": "3333",
		"16.1": "2", "16.2": "22222", "16.3": "2222", "16.4": "222", "16.5": "2223",
	}
	all := map[string]string{}
	for section, levels := range sections {
		for i, level := range levels {
			if level < '3' {
				all[section+"."+strconv.Itoa(i+1)] = string(level)
			}
		}
	}
	return all
}

// TestChecklist: every requirement has its line, with its level; a line names tests that
// exist, or says why there is none; what is not there yet says so.
func TestChecklist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	known, want := tests(t), required()
	line := regexp.MustCompile(`(?m)^\| (\d+\.\d+\.\d+) \| (\d) \| (.+) \| (.+) \|$`)
	here, later := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`"), regexp.MustCompile(`\*((?:Test|Fuzz)\w+)\*`)
	seen := map[string]bool{}
	for _, m := range line.FindAllStringSubmatch(string(text), -1) {
		id, level, done, shown := m[1], m[2], m[3], m[4]
		if seen[id] || want[id] != level {
			t.Errorf("%s: level %s, want %q; twice: %t", id, level, want[id], seen[id])
		}
		seen[id] = true
		if shown != "–" && !here.MatchString(shown) && !later.MatchString(shown) {
			t.Errorf("%s: shown by %q", id, shown)
		}
		if !here.MatchString(shown) && later.MatchString(shown) && !strings.Contains(strings.ToLower(done), "not yet") {
			t.Errorf("%s: only a test to come, and it does not say so", id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if !seen[id] {
			t.Errorf("%s has no line", id)
		}
	}
	for _, m := range here.FindAllStringSubmatch(string(text), -1) {
		if !known[m[1]] && m[1] != "TestName" {
			t.Errorf("there is no %s", m[1])
		}
	}
	for _, m := range later.FindAllStringSubmatch(string(text), -1) {
		if known[m[1]] && m[1] != "TestName" {
			t.Logf("%s is there by now: its lines can say so", m[1])
		}
	}
}
