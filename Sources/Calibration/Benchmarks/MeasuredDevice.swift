import Documents

/// A device as some file calls it.
public struct MeasuredDevice: Hashable, Sendable {
  /// `NVIDIA H100 80GB HBM3`.
  public var name: String
  public var place: MeasuredPlace

  package init(name: String, place: MeasuredPlace) {
    (self.name, self.place) = (name, place)
  }

  /// The device that a trace names, in the line in which its properties begin.
  init?(_ events: TraceEvents, file: String) {
    guard let (bytes, line) = events.values["deviceProperties"] else { return nil }
    let name: String? = bytes.withUnsafeBytes { buffer in
      guard let first = buffer.firstIndex(of: UInt8(ascii: "{")) else { return nil }
      let table = JSONObject(bytes: buffer, start: first, end: buffer.count)
      var name: String?
      table.forEach { key, value in
        if table.isText(key, "name"), value.kind == .string { name = table.text(value) }
      }
      return name
    }
    guard let name else { return nil }
    self.init(name: name, place: MeasuredPlace(file: file, line: line))
  }

  /// What tells products apart in a name: `H100`, `MI300X`, `L40S`, `4090`; nil where it says none.
  static func product(_ name: String) -> String? {
    let words = name.uppercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
    let numbered = words.first { word in
      word.first?.isLetter == true && word.contains(where: \.isNumber)
        && !["SXM", "HBM", "PCI", "NVL", "GDDR"].contains { word.hasPrefix($0) }
    }
    return (numbered ?? words.first { $0.count == 4 && $0.allSatisfy(\.isNumber) }).map(String.init)
  }

  /// Refuses measurements of several products, of which one cluster cannot be made.
  static func check(_ devices: [MeasuredDevice]) throws(ConfigurationError) {
    let known = devices.filter { product($0.name) != nil }
    guard let first = known.first,
      let other = known.first(where: { product($0.name) != product(first.name) })
    else { return }
    throw ConfigurationError(
      file: other.place.file, line: other.place.line,
      rule:
        "was measured on \(other.name), and \(first.place.file):\(first.place.line) on \(first.name): "
        + "a cluster has one device, calibrate each by itself")
  }

  /// A line where the base's device is another product: what was not measured stays the base's.
  static func remark(
    _ devices: [MeasuredDevice], base: String, device: String
  ) -> String? {
    guard let mine = product(device),
      let other = devices.first(where: { product($0.name).map { $0 != mine } ?? false })
    else { return nil }
    return "\(other.place.file):\(other.place.line): measured on \(other.name), and \(base) has "
      + "\(device): what no file measures stays that device's, --base NAME for another cluster"
  }
}
