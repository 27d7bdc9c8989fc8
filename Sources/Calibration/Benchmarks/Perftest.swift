import Documents

/// Reads the output of perftest: `ib_write_bw`, `ib_write_lat` and their sisters.
///
/// The unit of rates stands in the head of the columns only: `Gb/sec` are 10^9 bits, `MB/sec` and `MiB/sec` 2^20
/// bytes. The average counts, since peaks are 0.00 in runs of a given duration; latencies are half of a round trip, the
/// typical one, else the average. Of reads and atomics it is the whole trip, which starts twice and carries bytes once.
struct Perftest {
  private let text: BenchmarkText
  private let facts: MeasurementFacts
  private var result = Measurements()
  private var columns: Columns?
  /// The directions that rates add up, and the starts that a latency holds.
  private var directions = 1.0
  private var starts = 1
  private var hasBanner = false
  private var leftOut = LeftOutRows()

  private struct Columns {
    var quantity: MeasuredMessage.Quantity
    /// The place of the value, and what one of its unit is.
    var place: Int
    var unit: Double
  }

  static func recognises(_ text: BenchmarkText) -> Bool {
    text.lines.contains { line in
      isBanner(line.text) || (line.text.contains("#bytes") && line.text.contains("#iterations"))
    }
  }

  private static func isBanner(_ line: String) -> Bool {
    (line.hasSuffix(" Test") || line.hasSuffix(" Test (RX)"))
      && (line.contains("BW") || line.contains("Latency"))
      && ["RDMA_", "Send ", "Atomic ", "Raw "].contains(where: line.hasPrefix)
  }

  static func read(
    _ text: BenchmarkText, _ facts: MeasurementFacts
  ) throws(ConfigurationError) -> Measurements {
    var reader = Perftest(text: text, facts: facts)
    for line in text.lines { try reader.read(line) }
    guard !reader.result.messages.isEmpty else {
      throw text.error(
        nil,
        reader.columns == nil
          ? "has no rows: it is what a perftest server prints, or cut; the client's output has them"
          : "has the head of a perftest table and no rows: the client's output has them")
    }
    reader.result.remarks += reader.leftOut.remarks(of: text.file)
    return reader.result
  }

  private init(text: BenchmarkText, facts: MeasurementFacts) {
    self.text = text
    self.facts = facts
  }

  private mutating func read(_ line: BenchmarkText.Line) throws(ConfigurationError) {
    if Self.isBanner(line.text) {
      directions = line.text.contains("Bidirectional") ? 2 : 1
      if directions == 2 {
        result.remarks.append(
          "\(text.file):\(line.number): both directions are counted; half of each rate is taken")
      }
      // What a read or an atomic asks for comes back: the trip is not halved (perftest_resources.c, rtt_factor).
      let isWholeTrip =
        line.text.contains("Latency")
        && ["RDMA_Read ", "Atomic "].contains(where: line.text.hasPrefix)
      starts = isWholeTrip ? 2 : 1
      if isWholeTrip {
        result.remarks.append(
          "\(text.file):\(line.number): \(line.text.prefix { $0 != " " }) asks there and is answered: each "
            + "latency holds two starts, and its bytes once")
      }
      columns = nil
    } else if line.text.contains("#bytes") {
      columns = try columns(line)
    } else if let columns {
      try readRow(line, columns)
    }
  }

  private func columns(_ line: BenchmarkText.Line) throws(ConfigurationError) -> Columns {
    // Names of columns have blanks: each ends with its unit in brackets, except the first two.
    let names = line.text.split(separator: "]").map(String.init)
    func place(_ name: String) -> Int? { names.firstIndex { $0.contains(name) } }
    if let index = place("BW average[") {
      let unit = names[index].split(separator: "[").last ?? ""
      guard let bytes = Self.units[String(unit)] else {
        throw text.error(
          line, "expected rates in Gb/sec, MB/sec or MiB/sec", value: String(unit))
      }
      return Columns(quantity: .bandwidth, place: index + 2, unit: bytes)
    }
    guard let index = place("t_typical[") ?? place("t_avg[") else {
      throw text.error(line, "has neither BW average nor t_typical nor t_avg")
    }
    let unit = names[index].split(separator: "[").last ?? ""
    guard unit == "usec" else {
      throw text.error(line, "expected times in usec", value: String(unit))
    }
    return Columns(quantity: .latency, place: index + 2, unit: 1e-6)
  }

  private static let units: [String: Double] = [
    "Gb/sec": 1e9 / 8, "MB/sec": 1_048_576, "MiB/sec": 1_048_576,
  ]

  /// The largest size in bytes whose rate two decimals may round to nothing.
  private static let mostRounded = 4096

  private mutating func readRow(
    _ line: BenchmarkText.Line, _ columns: Columns
  ) throws(ConfigurationError) {
    let words = line.words
    // A log that is cut within a number would give another one.
    guard Double(String(words[0])) != nil else { return }
    guard words.count > columns.place + (line.isWhole ? 0 : 1) else {
      return leftOut.note(line, .cut)
    }
    guard Double(String(words[columns.place])) != nil, Int(words[1]) != nil else {
      return leftOut.note(line, .unread)
    }
    guard let bytes = try text.size(words[0], line) else { return leftOut.note(line, .empty) }
    guard counting(words[1]) != nil else {
      throw text.error(line, "expected iterations above 0", value: String(words[1]))
    }
    let isRate = columns.quantity == .bandwidth
    guard
      let value = try text.measured(
        words[columns.place], isRate ? "the average rate" : "the time in usec", line,
        zero: isRate && bytes <= Self.mostRounded),
      value > 0
    else { return }
    // Without a peak, as with --duration, it is 0.
    if isRate, columns.place > 2,
      let peak = try text.measured(
        words[columns.place - 1], "the peak rate", line, zero: true),
      peak > 0, value > 1.01 * peak + 0.011
    {
      throw text.error(
        line,
        "an average of \(words[columns.place]) above the peak of \(words[columns.place - 1])")
    }
    let converted =
      isRate ? value * columns.unit / directions : value * columns.unit
    if isRate, words.count > columns.place + 1,
      let last = try text.measured(
        words[columns.place + 1], "the rate of messages", line, zero: true),
      last > 0
    {
      // The rate of messages, in millions a second, says the same a second time.
      let implied = last * 1e6 * Double(bytes) / directions
      guard abs(implied - converted) <= 0.06 * converted + 0.011 * columns.unit else {
        throw text.error(
          line,
          "the units contradict each other: \(figures(last)) million messages of \(bytes) B a "
            + "second are "
            + "\(figures(implied / columns.unit)) of the unit, not \(words[columns.place])")
      }
    }
    var message = MeasuredMessage(
      quantity: columns.quantity, way: .adapter, bytes: Double(bytes), value: converted,
      place: text.place(line))
    if !isRate { message.starts = starts }
    result.messages.append(message)
  }
}
