import Documents

/// Reads mamf-finder's output: the products of its search for the fastest shape.
///
/// Files that it writes hold the best shapes only; each shape stands on the terminal between carriage
/// returns (`12 | 600.1(mean) 610.0(median) 620.0(max) @ 2048x4096x4096 | best: …`). The mean counts, of version
/// 4 the sustained rate (MSMF). A file may hold several runs, each behind its `** Dtype:` line. Shapes are m x n x k with k the reduction, unless `(MxKxN)` stands behind them.
struct MAMFFinder {
  static func recognises(_ text: BenchmarkText) -> Bool {
    text.lines.contains { line in
      line.text.contains("TFLOPS @") || (line.text.contains("(mean)") && line.text.contains(" @ "))
    }
  }

  static func read(
    _ text: BenchmarkText, _ facts: MeasurementFacts
  ) throws(ConfigurationError) -> Measurements {
    var result = Measurements()
    var runs = [Run()]
    for line in text.lines {
      if let dtype = line.text.firstRange(of: "Dtype:") {
        let format = line.text[dtype.upperBound...].split(separator: " ").first.map(String.init)
        runs.append(Run(format: format))
      }
      guard let at = line.text.firstRange(of: " @ ") else { continue }
      guard let word = rate(line.text[..<at.lowerBound]),
        let rate = try text.measured(word, "TFLOPS", line),
        let sides = sides(line.text[at.upperBound...])
      else { continue }
      // The best of other measures than the mean repeats a shape.
      if line.text.hasPrefix("median:") || line.text.hasPrefix("max:") { continue }
      runs[runs.count - 1].rows.append(
        Row(line: line, rate: rate, sides: sides, isSustained: line.text.contains("MSMF")))
    }
    guard runs.contains(where: { !$0.rows.isEmpty }) else {
      throw text.error(nil, "has no rate of a shape")
    }
    for run in runs { result.products += try products(run, text, facts) }
    if runs.contains(where: \.hasSustained) {
      result.remarks.append("\(text.file): sustained rates (MSMF) count, bursts (MAMF) do not")
    }
    return result
  }

  /// What a search prints from one `** Dtype:` line on.
  private struct Run {
    var format: String?
    var rows: [Row] = []

    var hasSustained: Bool { rows.contains(where: \.isSustained) }
  }

  private struct Row {
    var line: BenchmarkText.Line
    var rate: Double
    var sides: [Int]
    var isSustained: Bool
  }

  private static func products(
    _ run: Run, _ text: BenchmarkText, _ facts: MeasurementFacts
  ) throws(ConfigurationError) -> [MeasuredProduct] {
    guard let first = run.rows.first else { return [] }
    guard let format = run.format else {
      throw text.error(
        first.line,
        "the log does not say the format above this line: keep its `** Dtype:` line")
    }
    var products: [MeasuredProduct] = []
    var seen: Set<[Int]> = []
    for row in run.rows where !run.hasSustained || row.isSustained {
      // What is best is a shape that stands above too.
      guard seen.insert(row.sides).inserted else { continue }
      let (m, n, k) = (row.sides[0], row.sides[1], row.sides[2])
      let library = try libraryOfProducts(format: format.lowercased(), named: "vendor", facts) {
        rule throws(ConfigurationError) in throw text.error(row.line, rule, value: format)
      }
      products.append(
        MeasuredProduct(
          library: library, shape: .init(m: m, n: n, k: k),
          seconds: 2 * Double(m) * Double(n) * Double(k) / (row.rate * 1e12),
          place: text.place(row.line)))
    }
    return products
  }

  /// TFLOPS in front of the shape: the mean where there are several measures.
  private static func rate(_ text: Substring) -> Substring? {
    if let mean = text.range(of: "(mean)") {
      return text[..<mean.lowerBound].split(separator: " ").last
    }
    guard let unit = text.range(of: "TFLOPS") else { return nil }
    return text[..<unit.lowerBound].split { $0 == " " || $0 == ":" || $0 == "|" }.last
  }

  /// m, n and k.
  private static func sides(_ text: Substring) -> [Int]? {
    let word = text.prefix { $0 != " " && $0 != "|" }
    let sides = word.split(separator: "x").compactMap { counting($0) }
    guard sides.count == 3, sides.allSatisfy({ $0 <= 1 << 24 }) else { return nil }
    let order = text.split(separator: "|").first ?? text
    return order.contains("(MxKxN)") ? [sides[0], sides[2], sides[1]] : sides
  }
}
