import Testing

/// The limits of a file and of a function; the linter holds those of a line.
@Suite struct LimitTests {
  @Test func filesAreShort() throws {
    let files = try House().files(below: ["Sources", "Tests", "benchmarks"])
    for file in files {
      // A last newline leaves an empty line behind.
      #expect(file.lines.count <= 401, "\(file.path): \(file.lines.count - 1) lines, at most 400")
    }
  }

  @Test func functionsAreShort() throws {
    var count = 0
    for file in try House().files(below: ["Sources", "benchmarks"]) {
      for function in functions(in: file.lines) {
        count += 1
        #expect(
          function.length <= 70,
          "\(file.path):\(function.line): a function of \(function.length) lines, at most 70")
      }
    }
    #expect(count > 1000)
  }

  @Test func functionsAreFound() {
    let text = """
      struct S {
        init(a: Int) { self.a = a }

        public static func f(
          _ x: Int
        ) -> Int {
          x
        }

        func g() {}
      }
      """
    let found = functions(in: text.split(separator: "\n", omittingEmptySubsequences: false))
    #expect(found.map(\.line) == [2, 4, 10] && found.map(\.length) == [1, 5, 1])
  }

  private struct Function {
    /// Where it begins, from 1.
    var line: Int
    /// Lines from the first word to the closing brace.
    var length: Int
  }

  /// The functions of formatted code: one ends where a brace stands below its first word; one without
  /// a body, in a protocol, is left out.
  private func functions(in lines: [Substring]) -> [Function] {
    lines.indices.compactMap { index in
      guard lines[index].contains("func ") || lines[index].contains("init"),
        lines[index].firstMatch(of: /^ *(?:[@\w()]+ )*(?:func |init[(?<])/) != nil
      else {
        return nil
      }
      if lines[index].hasSuffix("}") { return Function(line: index + 1, length: 1) }
      let indent = lines[index].prefix { $0 == " " }.count
      let next = lines[(index + 1)...].firstIndex { line in
        let spaces = line.prefix { $0 == " " }.count
        return spaces < line.count && (spaces < indent || (spaces == indent && line.hasSuffix("}")))
      }
      guard let next, lines[next].dropFirst(indent).first == "}" else { return nil }
      return Function(line: index + 1, length: next - index + 1)
    }
  }
}
