import Documents

/// Reads mamf-finder's output: the products of its search for the fastest shape.
///
/// Files that it writes hold the best shapes only; each shape stands on the terminal between carriage
/// returns (`12 | 600.1(mean) 610.0(median) 620.0(max) @ 2048x4096x4096 | best: …`). The mean counts, of version
/// 4 the sustained rate (MSMF). Shapes are m x n x k with k the reduction, unless `(MxKxN)` stands behind them.
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
    var format: String?
    var hasSustained = false
    var products: [(line: BenchmarkText.Line, rate: Double, sides: [Int], isSustained: Bool)] = []
    for line in text.lines {
      if let dtype = line.text.firstRange(of: "Dtype:") {
        format = line.text[dtype.upperBound...].split(separator: " ").first.map(String.init)
      }
      guard let at = line.text.firstRange(of: " @ ") else { continue }
      guard let word = rate(line.text[..<at.lowerBound]),
        let rate = try text.measured(word, "TFLOPS", line),
        let sides = sides(line.text[at.upperBound...])
      else { continue }
      let isSustained = line.text.contains("MSMF")
      hasSustained = hasSustained || isSustained
      // The best of other measures than the mean repeats a shape.
      if line.text.hasPrefix("median:") || line.text.hasPrefix("max:") { continue }
      products.append((line, rate, sides, isSustained))
    }
    guard !products.isEmpty else { throw text.error(nil, "has no rate of a shape") }
    guard let format else {
      throw text.error(
        products[0].line, "the log does not say the format: keep its `** Dtype:` line")
    }
    var seen: Set<[Int]> = []
    for product in products where !hasSustained || product.isSustained {
      // What is best is a shape that stands above too.
      guard seen.insert(product.sides).inserted else { continue }
      let (m, n, k) = (product.sides[0], product.sides[1], product.sides[2])
      let library = try libraryOfProducts(format: format.lowercased(), named: "vendor", facts) {
        rule throws(ConfigurationError) in throw text.error(product.line, rule, value: format)
      }
      result.products.append(
        MeasuredProduct(
          library: library, shape: .init(m: m, n: n, k: k),
          seconds: 2 * Double(m) * Double(n) * Double(k) / (product.rate * 1e12),
          place: text.place(product.line)))
    }
    if hasSustained {
      result.remarks.append("\(text.file): sustained rates (MSMF) count, bursts (MAMF) do not")
    }
    return result
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
