import Clusters
import Costs
import Documents

/// Reads tables of matrix products: one a line with m, n, k, a format and a time or a rate.
///
/// Columns are found by their names, whatever stands between them: `m,n,k,dtype,layout,batch,time_us,tflops`. Or the
/// shape is one text, as SimuMax writes it: `b=1, m=4096, k=5120, n=1536, layout=TN, accumulate=False,
/// out_dtype=bf16`. Where a line has a time and a rate, both have to agree.
struct ProductSweep {
  private let text: BenchmarkText
  private let facts: MeasurementFacts
  private let separator: Character
  private let columns: [String]

  private static let times: [String: Double] = [
    "time_us": 1e-6, "us": 1e-6, "microseconds": 1e-6, "latency_us": 1e-6, "duration_us": 1e-6,
    "time_ms": 1e-3, "ms": 1e-3, "latency_ms": 1e-3, "duration_ms": 1e-3, "time_s": 1,
    "seconds": 1, "time_ns": 1e-9, "ns": 1e-9, "latency_ns": 1e-9, "duration_ns": 1e-9,
  ]
  private static let rates: [String: Double] = [
    "tflops": 1e12, "tflop/s": 1e12, "tflops/s": 1e12, "gflops": 1e9, "pflops": 1e15,
  ]

  static func recognises(_ text: BenchmarkText) -> Bool {
    ProductSweep(text, .init()) != nil && !ProbeTable.recognises(text)
  }

  /// A column's name as it is looked up: `Time (us)` and `avg_time_us` are `time_us`.
  private static func column(_ written: String) -> String {
    var name = ""
    for character in written.lowercased() {
      if "([ ".contains(character) {
        if name.last != "_" { name.append("_") }
      } else if !")]".contains(character) {
        name.append(character == "µ" || character == "μ" ? "u" : character)
      }
    }
    for prefix in ["avg_", "average_", "mean_", "median_"] where name.hasPrefix(prefix) {
      let rest = String(name.dropFirst(prefix.count))
      if times[rest] != nil || rates[rest] != nil { return rest }
    }
    return name
  }

  private init?(_ text: BenchmarkText, _ facts: MeasurementFacts) {
    guard let head = text.lines.first(where: { !$0.text.hasPrefix("#") })?.text else { return nil }
    let separator: Character = head.contains(";") ? ";" : head.contains("\t") ? "\t" : ","
    let columns = Self.cells(head, separator).map(Self.column)
    let hasSides = ["m", "n", "k"].allSatisfy(columns.contains)
    // Of a table with sides it is said that a time is lacking.
    guard hasSides || columns.contains("shape") && columns.contains(where: Self.isMeasure) else {
      return nil
    }
    self.text = text
    self.facts = facts
    self.separator = separator
    self.columns = columns
  }

  /// Whether something is taken of a column of that name.
  private func isRead(_ column: String) -> Bool {
    Self.isMeasure(column)
      || ["m", "n", "k", "shape", "batch", "b", "groups", "num_groups", "accumulate", "pass"]
        .contains(column)
      || ["direction", "dtype", "format", "precision", "library", "backend"].contains(column)
  }

  private static func isMeasure(_ column: String) -> Bool {
    times[column] != nil || rates[column] != nil
  }

  static func read(
    _ text: BenchmarkText, _ facts: MeasurementFacts
  ) throws(ConfigurationError) -> Measurements {
    guard let sweep = ProductSweep(text, facts) else {
      throw text.error(nil, "has no line that names the columns m, n, k and a time or tflops")
    }
    let rows = text.lines.filter { !$0.text.hasPrefix("#") }
    for (index, column) in sweep.columns.enumerated()
    where sweep.isRead(column) && sweep.columns[..<index].contains(column) {
      throw text.error(rows.first, "has two columns \(column): which of them holds is not said")
    }
    guard sweep.columns.contains(where: isMeasure) else {
      throw text.error(
        rows.first,
        "has columns m, n and k, and none of a time or a rate: time_us, time_ms, latency_us or tflops"
      )
    }
    var result = Measurements()
    for line in rows.dropFirst() {
      if let product = try sweep.product(line) {
        result.products.append(product)
      } else {
        result.remarks.append("\(text.file):\(line.number): left out, no such product or no time")
      }
    }
    guard !result.products.isEmpty else { throw text.error(nil, "has no products with a time") }
    return result
  }

  private static func cells(_ line: String, _ separator: Character) -> [String] {
    var cells = [""]
    var isQuoted = false
    for character in line {
      if character == "\"" {
        isQuoted.toggle()
      } else if character == separator, !isQuoted {
        cells.append("")
      } else if character != " " || isQuoted {
        cells[cells.count - 1].append(character)
      }
    }
    // Where semicolons separate, spreadsheets write 6,79 for 6.79.
    guard separator == ";" else { return cells }
    return cells.map { cell in
      let sides = cell.split(separator: ",", omittingEmptySubsequences: false)
      let isDecimal =
        sides.count == 2 && sides.allSatisfy { !$0.isEmpty && $0.allSatisfy(\.isWholeNumber) }
      return isDecimal ? sides.joined(separator: ".") : cell
    }
  }

  /// A side; what pandas writes of whole numbers beside empty cells, `4096.0`, is one too.
  private static func side(_ written: String) -> Int? {
    counting(written) ?? positive(written).flatMap { Int(exactly: $0) }
  }

  private func product(
    _ line: BenchmarkText.Line
  ) throws(ConfigurationError) -> MeasuredProduct? {
    let cells = Self.cells(line.text, separator)
    guard line.isWhole || cells.count == columns.count else { return nil }
    guard cells.count == columns.count else {
      throw text.error(
        line, "has \(cells.count) cells where the head has \(columns.count) columns")
    }
    var values = Dictionary(zip(columns, cells)) { first, _ in first }
    for part in (values["shape"] ?? "").split(separator: ",") {
      let pair = part.split(separator: "=")
      if pair.count == 2 {
        values[pair[0].filter { $0 != " " }.lowercased()] = pair[1].filter { $0 != " " }
      }
    }
    guard let m = values["m"].flatMap(Self.side), let n = values["n"].flatMap(Self.side),
      let k = values["k"].flatMap(Self.side)
    else { throw text.error(line, "expected whole numbers for m, n and k") }
    let groups = try ["batch", "b", "groups", "num_groups"].lazy.compactMap { values[$0] }.first
      .map { written throws(ConfigurationError) in
        guard let count = counting(written) else {
          throw text.error(line, "expected a whole number of products", value: written)
        }
        return count
      }
    guard max(m, n, k) <= 1 << 24, groups ?? 1 <= 1 << 16 else {
      throw text.error(line, "has a side above 2^24, which is no product")
    }
    guard let seconds = try seconds(line, values, m, n, k, groups ?? 1) else { return nil }
    let accumulates = ["true", "yes", "1"].contains((values["accumulate"] ?? "").lowercased())
    let pass = Self.pass(values)
    return MeasuredProduct(
      library: try library(line, values),
      shape: MatmulShape(
        rows: Array(repeating: m, count: groups ?? 1), columns: n, depth: k, pass: pass,
        accumulates: accumulates),
      seconds: seconds, place: text.place(line))
  }

  private static func pass(_ values: [String: String]) -> MatmulPass {
    let written = values["pass"] ?? values["direction"] ?? "forward"
    return written.contains("weight")
      ? .backwardWeight : written.contains("input") ? .backwardInput : .forward
  }

  private func seconds(
    _ line: BenchmarkText.Line, _ values: [String: String], _ m: Int, _ n: Int, _ k: Int,
    _ groups: Int
  ) throws(ConfigurationError) -> Double? {
    let flops = 2 * Double(m) * Double(n) * Double(k) * Double(groups)
    func value(
      _ units: [String: Double]
    ) throws(ConfigurationError) -> (text: String, value: Double, column: String)? {
      var found: (text: String, value: Double, column: String)?
      for column in columns {
        guard let unit = units[column], let word = values[column],
          let value = try text.measured(word, column, line)
        else { continue }
        if let found, abs(value * unit / found.value - 1) > 0.03 {
          throw text.error(
            line,
            "the columns contradict each other: \(found.column) \(found.text), \(column) \(word)")
        }
        found = found ?? (word, value * unit, column)
      }
      return found
    }
    let time = try value(Self.times)
    let rate = try value(Self.rates)
    if let time, let rate, abs(flops / time.value / rate.value - 1) > 0.03 {
      throw text.error(
        line,
        "the units contradict each other: \(m) x \(n) x \(k)\(groups > 1 ? " x \(groups)" : "") in "
          + "\(time.column) \(time.text) are \(figures(flops / time.value / 1e12)) TFLOPS, not "
          + "\(figures(rate.value / 1e12))")
    }
    return time?.value ?? rate.map { flops / $0.value }
  }

  private func library(
    _ line: BenchmarkText.Line, _ values: [String: String]
  ) throws(ConfigurationError) -> MatmulLibrary {
    let written = (values["dtype"] ?? values["format"] ?? values["precision"] ?? "").lowercased()
    guard !written.isEmpty else {
      throw text.error(line, "the table does not say the format: a column dtype")
    }
    return try libraryOfProducts(
      format: written, named: values["library"] ?? values["backend"], facts
    ) { rule throws(ConfigurationError) in throw text.error(line, rule, value: written) }
  }
}

/// Whose constants products of a format are, by its name in PyTorch or in short.
func libraryOfProducts(
  format: String, named library: String?, _ facts: MeasurementFacts,
  refuse: (String) throws(ConfigurationError) -> Never
) throws(ConfigurationError) -> MatmulLibrary {
  let name = format.replacing("torch.", with: "")
  if ["bf16", "fp16", "bfloat16", "float16", "half"].contains(name) { return .bf16 }
  guard name.hasPrefix("fp8") || name.hasPrefix("float8") || name == "e4m3" else {
    try refuse("expected bf16, fp16 or fp8: the formulas have no constants of other formats")
  }
  if let given = facts.library {
    guard given.isFP8 else { try refuse("--library \(given.rawValue) is not of FP8") }
    return given
  }
  let said = (library ?? "").lowercased()
  if let exact = MatmulLibrary(rawValue: said), exact.isFP8 { return exact }
  if said.contains("cublas") || said == "vendor" || said.contains("scaled_mm") {
    return .fp8PerTensor
  }
  if said.contains("deepgemm") || said.contains("deep_gemm") { return .fp8April2025 }
  try refuse(
    "does not say whose FP8 products they are: --library cublaslt-fp8 (one scale a tensor) or "
      + "--library fp8-2025-04 (DeepGEMM, one scale a block)")
}
