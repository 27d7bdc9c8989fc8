import Documents

/// One value of a JSON object that was found without making anything: where it lies in some bytes.
struct JSONSlice {
  enum Kind {
    case string, number, table, list, other
  }

  var kind: Kind
  /// Of a string what stands between its quotes, of a table and a list its brackets too.
  var start: Int
  var end: Int
}

/// Goes through the keys of one JSON object whose bytes lie in a buffer.
///
/// Broken text ends the walk early; nothing beyond the buffer is read.
struct JSONObject {
  let bytes: UnsafeRawBufferPointer
  let start: Int
  let end: Int

  /// Calls `body` with every key and value, in order.
  ///
  /// - Parameter body: the key's range and the value.
  func forEach(_ body: (Range<Int>, JSONSlice) -> Void) {
    var place = start
    guard place < end, bytes[place] == UInt8(ascii: "{") else { return }
    place += 1
    while place < end {
      place = skipSpace(place)
      guard place < end, bytes[place] == UInt8(ascii: "\"") else { return }
      let keyEnd = endOfString(place)
      guard keyEnd < end else { return }
      let key = place + 1..<keyEnd
      place = skipSpace(keyEnd + 1)
      guard place < end, bytes[place] == UInt8(ascii: ":") else { return }
      place = skipSpace(place + 1)
      guard place < end, let value = value(at: place) else { return }
      body(key, value)
      place = skipSpace(value.kind == .string ? value.end + 1 : value.end)
      guard place < end, bytes[place] == UInt8(ascii: ",") else { return }
      place += 1
    }
  }

  /// Whether a range holds exactly some text.
  @inline(__always)
  func isText(_ range: Range<Int>, _ text: StaticString) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    for offset in 0..<range.count
    where bytes[range.lowerBound + offset] != text.utf8Start[offset] { return false }
    return true
  }

  /// A value's text, without escapes taken apart.
  func text(_ value: JSONSlice) -> String {
    String(decoding: bytes[value.start..<value.end], as: UTF8.self)
  }

  private func skipSpace(_ place: Int) -> Int {
    var place = place
    while place < end, bytes[place] <= 0x20 { place += 1 }
    return place
  }

  /// The place of the quote that ends the string beginning at a quote.
  private func endOfString(_ quote: Int) -> Int {
    var place = quote + 1
    while place < end {
      switch bytes[place] {
      case UInt8(ascii: "\\"): place += 2
      case UInt8(ascii: "\""): return place
      default: place += 1
      }
    }
    return end
  }

  private func value(at place: Int) -> JSONSlice? {
    switch bytes[place] {
    case UInt8(ascii: "\""):
      let last = endOfString(place)
      return last < end ? JSONSlice(kind: .string, start: place + 1, end: last) : nil
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      guard let last = endOfBrackets(place) else { return nil }
      return JSONSlice(
        kind: bytes[place] == UInt8(ascii: "{") ? .table : .list, start: place, end: last)
    default:
      var last = place
      while last < end, !",}] \t\r\n".utf8.contains(bytes[last]) { last += 1 }
      guard last > place else { return nil }
      let first = bytes[place]
      let isNumber = first == UInt8(ascii: "-") || (48...57).contains(first)
      return JSONSlice(kind: isNumber ? .number : .other, start: place, end: last)
    }
  }

  /// Behind the bracket that ends the table or list beginning at a bracket.
  private func endOfBrackets(_ bracket: Int) -> Int? {
    var depth = 0
    var place = bracket
    while place < end {
      switch bytes[place] {
      case UInt8(ascii: "\""): place = endOfString(place)
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        depth -= 1
        if depth == 0 { return place + 1 }
      default: break
      }
      place += 1
    }
    return nil
  }

  private func isExponent(_ place: Int, _ end: Int) -> Bool {
    place < end && (bytes[place] == UInt8(ascii: "e") || bytes[place] == UInt8(ascii: "E"))
  }

  /// Nanoseconds of microseconds with an exponent.
  private func rounded(_ value: JSONSlice) -> Int? {
    guard let number = Double(text(value)), abs(number) < 4e15 else { return nil }
    return Int((number * 1000).rounded())
  }

  /// A number of microseconds as nanoseconds: `1740461679479740.123`, without passing through Double.
  func nanoseconds(_ value: JSONSlice) -> Int? {
    var place = value.start
    var whole = 0
    var isNegative = false
    if place < value.end, bytes[place] == UInt8(ascii: "-") {
      isNegative = true
      place += 1
    }
    let first = place
    while place < value.end, (48...57).contains(bytes[place]) {
      let (tens, one) = whole.multipliedReportingOverflow(by: 10)
      let (sum, two) = tens.addingReportingOverflow(Int(bytes[place]) - 48)
      guard !one, !two else { return nil }
      whole = sum
      place += 1
    }
    guard place > first else { return nil }
    if isExponent(place, value.end) { return rounded(value) }
    let (scaled, overflow) = whole.multipliedReportingOverflow(by: 1000)
    guard !overflow else { return nil }
    var fraction = 0
    if place < value.end, bytes[place] == UInt8(ascii: ".") {
      var unit = 100
      place += 1
      while place < value.end, (48...57).contains(bytes[place]) {
        fraction += (Int(bytes[place]) - 48) * unit
        unit /= 10
        place += 1
      }
      if isExponent(place, value.end) { return rounded(value) }
    }
    let (sum, tooMuch) = scaled.addingReportingOverflow(fraction)
    return tooMuch ? nil : isNegative ? -sum : sum
  }
}

/// Takes the objects of a trace's list of events out of a stream of JSON, whatever stands around.
///
/// The list is the outermost one, or that under `traceEvents`. Of the rest, values under keys that are asked for are
/// kept up to a size. Only one event is held at a time.
struct TraceEvents {
  private var depth = 0
  private var isInString = false
  private var isEscaped = false
  /// The depth inside the list of events; zero outside of it.
  private var listDepth = 0
  private(set) var hasList = false
  /// The beginning of an event that the last piece did not end.
  private var event: [UInt8] = []
  private var isInEvent = false
  /// The last string of the outermost table, and whether it is being read.
  private var lastString: [UInt8] = []
  private var kept: [UInt8] = []
  private var keptKey: String?
  private(set) var values: [String: (bytes: [UInt8], line: Int)] = [:]
  private var keptLine = 1
  private let wanted: Set<String> = ["deviceProperties"]
  /// The line that is read, counted from one.
  private var line = 1
  /// The line in which the event that is read began.
  private var eventLine = 1
  private static let largestEvent = 1 << 22
  private static let largestValue = 1 << 20
  /// Whether every bracket that was opened has been closed.
  var isWhole: Bool { depth == 0 && !isInString && hasList }
  /// The line in which a second text begins behind the end of the first.
  private(set) var secondText: Int?
  /// Whether an event has to follow: behind a comma of the list, and not behind two.
  private var isAfterComma = false
  private var isBegun = false

  /// Goes through a piece and calls `body` with each event that it completes, and the line of its beginning.
  ///
  /// - Returns: whether the text can still be a trace.
  mutating func take(_ piece: UnsafeRawBufferPointer, _ body: (JSONObject, _ line: Int) -> Void)
    -> Bool
  {
    var start = 0
    var place = 0
    while place < piece.count {
      let byte = piece[place]
      if isInString {
        takeString(byte)
      } else if byte == UInt8(ascii: "\"") {
        isInString = true
        if depth == 1, listDepth == 0 { lastString.removeAll(keepingCapacity: true) }
      } else if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
        open(byte, at: place, &start)
      } else if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") {
        guard depth > 0 else { return false }
        depth -= 1
        if isInEvent, depth == listDepth {
          finish(piece, start, place + 1, body)
          start = place + 1
        } else if listDepth > 0, depth < listDepth {
          listDepth = 0
        }
      } else if byte == UInt8(ascii: ","), listDepth > 0, depth == listDepth {
        if isAfterComma { return false }
        isAfterComma = true
      } else if byte == UInt8(ascii: "\n") {
        line += 1
      } else if depth == 0, byte > 0x20, byte != 0xEF, byte != 0xBB, byte != 0xBF {
        return false
      }
      if keptKey != nil { keep(byte) }
      place += 1
    }
    if isInEvent {
      guard event.count + piece.count - start <= Self.largestEvent else { return false }
      event += piece[start...]
    }
    return true
  }

  @inline(__always)
  private mutating func takeString(_ byte: UInt8) {
    if isEscaped {
      isEscaped = false
    } else if byte == UInt8(ascii: "\\") {
      isEscaped = true
    } else if byte == UInt8(ascii: "\"") {
      isInString = false
    } else if depth == 1, listDepth == 0, lastString.count < 64 {
      lastString.append(byte)
    }
  }

  private mutating func open(_ byte: UInt8, at place: Int, _ start: inout Int) {
    if depth == 0 {
      if isBegun, secondText == nil { secondText = line }
      isBegun = true
    }
    if listDepth > 0, depth == listDepth, byte == UInt8(ascii: "{") {
      (isInEvent, isAfterComma) = (true, false)
      eventLine = line
      start = place
      event.removeAll(keepingCapacity: true)
    } else if listDepth == 0, byte == UInt8(ascii: "["),
      depth == 0 || depth == 1 && String(decoding: lastString, as: UTF8.self) == "traceEvents"
    {
      listDepth = depth + 1
      hasList = true
    } else if listDepth == 0, depth == 1 {
      let key = String(decoding: lastString, as: UTF8.self)
      if wanted.contains(key) {
        keptKey = key
        keptLine = line
        kept.removeAll(keepingCapacity: true)
      }
    }
    depth += 1
  }

  private mutating func keep(_ byte: UInt8) {
    kept.append(byte)
    guard let key = keptKey else { return }
    if depth == 1 || kept.count > Self.largestValue {
      if depth == 1 { values[key] = (kept, keptLine) }
      keptKey = nil
    }
  }

  private mutating func finish(
    _ piece: UnsafeRawBufferPointer, _ start: Int, _ end: Int,
    _ body: (JSONObject, _ line: Int) -> Void
  ) {
    isInEvent = false
    guard !event.isEmpty else {
      body(JSONObject(bytes: piece, start: start, end: end), eventLine)
      return
    }
    event += piece[start..<end]
    let line = eventLine
    event.withUnsafeBytes { body(JSONObject(bytes: $0, start: 0, end: $0.count), line) }
    event.removeAll(keepingCapacity: true)
  }
}
