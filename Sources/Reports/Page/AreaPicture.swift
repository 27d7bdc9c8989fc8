/// Memory over time: areas that lie on each other, with the lines that they must stay below.
///
/// The shapes hold the values in MiB: whoever points at a moment is told what is drawn there.
public struct AreaPicture: PagePicture {
  /// A moment with the bytes of every area, the lowest first.
  public struct Sample: Sendable {
    /// Picoseconds.
    public var time: Int64
    public var bytes: [Int]

    public init(time: Int64, bytes: [Int]) { (self.time, self.bytes) = (time, bytes) }

    var total: Int { bytes.reduce(0, +) }
  }

  public var title: String
  public var description: String
  public var areas: [(name: String, tone: PageTone)]
  public var samples: [Sample]
  /// Picoseconds.
  public var duration: Int64
  /// Lines across, in bytes, named at the right or, where another lies close, at the left.
  public var rules: [(name: String, bytes: Int, isLeft: Bool)] = []
  public var group: String?

  public init(
    title: String, description: String, areas: [(name: String, tone: PageTone)],
    samples: [Sample], duration: Int64
  ) {
    (self.title, self.description, self.areas) = (title, description, areas)
    (self.samples, self.duration) = (samples, duration)
  }

  /// The most moments that are drawn; of several that fall together the fullest is.
  private static let mostMoments = 700
  private static let unit: Int64 = 1_000_000

  public func html(_ writer: inout PageWriter) -> String {
    let samples = thinned
    let most = max(samples.map(\.total).max() ?? 0, rules.map(\.bytes).max() ?? 0)
    guard most > 0, duration > 0 else { return "" }
    let depth = mebibytes(most) * 21 / 20
    let width = duration / Self.unit
    var shapes = "<g transform=\"matrix(1 0 0 -1 0 \(depth))\">"
    for index in areas.indices.reversed() where samples.contains(where: { $0.bytes[index] > 0 }) {
      let tops = samples.map { (time: $0.time, bytes: $0.bytes[...index].reduce(0, +)) }
      shapes +=
        "<path class=\"area \(areas[index].tone.name)\""
        + Markup.attribute("data-name", areas[index].name) + " d=\"\(outline(tops, width))\"/>"
    }
    for rule in rules {
      shapes += "<path class=\"rule\" d=\"M0 \(mebibytes(rule.bytes))H\(width)\"/>"
    }
    shapes += "</g>"
    let used = areas.enumerated().filter { index, _ in samples.contains { $0.bytes[index] > 0 } }
    var attributes = " tabindex=\"0\" data-unit=\"\(Double(Self.unit) / 1e12)\""
    if let group { attributes += Markup.attribute("data-group", group) }
    let scale = Double(depth) / 1024
    return PictureFrame(
      kind: "areas", title: title, description: description, attributes: attributes,
      upright: PictureFrame.ticks(to: scale, count: 6) { decimal($0) }, height: 280,
      shapes: shapes, width: Double(width), depth: Double(depth),
      ticks: PictureFrame.ticks(to: Double(duration) / 1e12, count: 8) { LanePicture.time($0) },
      uprightAxis: "GiB",
      legend: used.reversed().map { .init(tones: [$1.tone], text: $1.name) },
      marks: rules.map {
        ($0.isLeft ? 0 : 1, 1 - Double(mebibytes($0.bytes)) / Double(depth), $0.name)
      }
    ).html
  }

  /// Whole MiB, rounded up: a peak is never drawn too low.
  private func mebibytes(_ bytes: Int) -> Int { (bytes + (1 << 20) - 1) >> 20 }

  private func outline(_ tops: [(time: Int64, bytes: Int)], _ width: Int64) -> String {
    var text = "M0 0"
    var last = 0
    for (time, bytes) in tops {
      let height = mebibytes(bytes)
      guard height != last else { continue }
      text += (time / Self.unit > 0 ? "H\(time / Self.unit)" : "") + "V\(height)"
      last = height
    }
    return text + "H\(width)V0z"
  }

  /// The fullest of the moments that fall together, in the order of time.
  private var thinned: [Sample] {
    guard samples.count > Self.mostMoments else { return samples }
    let step = max(1, duration / Int64(Self.mostMoments / 2))
    var result: [Sample] = []
    var bucket: [Sample] = []
    func flush() {
      guard let fullest = bucket.max(by: { $0.total < $1.total }), let last = bucket.last else {
        return
      }
      result.append(fullest)
      if last.time > fullest.time { result.append(last) }
      bucket = []
    }
    for sample in samples {
      if let first = bucket.first, sample.time / step != first.time / step { flush() }
      bucket.append(sample)
    }
    flush()
    return result
  }
}
