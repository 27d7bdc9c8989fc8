import Clusters

/// What the kernels of a library reach with heads of some width.
public struct AttentionWidth: Hashable, Sendable {
  /// The widest heads of queries, keys or values that it is for.
  public var width: Int
  /// Share of the peak that the main loop reaches.
  public var forwardShare: Double
  public var backwardShare: Double
  /// What a block takes beside its main loop, in units of a key: so rates ramp with length.
  public var forwardRamp: Double
  public var backwardRamp: Double
}

/// The constants of attention kernels on one device.
public struct AttentionConstants: Hashable, Sendable {
  /// FLOP per clock and multiprocessor of the 16-bit tensor cores.
  public var flopsPerClock: Double
  /// Idle tail in units of the longest block: causal blocks differ in length.
  public var forwardTail: Double
  public var backwardTail: Double
  /// Query rows of a block.
  public var blockRows: Int
  /// Seconds from start to first product.
  public var start: Double
  /// The kernels of each library that has a table, by width from narrow to wide.
  public var libraries: [AttentionLibrary: [AttentionWidth]]
  /// Kernels that were measured without a table of their own, up to 128 wide and above, and whose they are.
  public var shares: [AttentionWidth]
  public var sharesLibrary: AttentionLibrary?

  init(from reader: inout NumberReader) throws(NumberTableError) {
    flopsPerClock = try reader.number("attention.flops-per-clock")
    forwardTail = try reader.number("attention.forward-tail", zero: true)
    backwardTail = try reader.number("attention.backward-tail", zero: true)
    blockRows = try reader.count("attention.block-rows")
    start = try reader.number("attention.start", zero: true)
    libraries = [:]
    for library in AttentionLibrary.preferred {
      let prefix = "attention.\(library.rawValue)."
      let widths = try Self.widths(from: &reader, prefix)
      if !widths.isEmpty { libraries[library] = widths }
    }
    shares = []
    guard libraries.isEmpty || reader.has("attention.forward-share") else { return }
    for (suffix, width) in [("", 128), ("-wide", Int.max)] {
      shares.append(
        AttentionWidth(
          width: width, forwardShare: try reader.number("attention.forward-share" + suffix),
          backwardShare: try reader.number("attention.backward-share" + suffix), forwardRamp: 0,
          backwardRamp: 0))
    }
    if reader.has("attention.library") {
      sharesLibrary =
        AttentionLibrary.allCases[
          Int(try reader.number("attention.library", zero: true))]
    }
  }

  private static func widths(
    from reader: inout NumberReader, _ prefix: String
  ) throws(NumberTableError) -> [AttentionWidth] {
    var widths: [AttentionWidth] = []
    for width in AttentionWidth.described where reader.has("\(prefix)width-\(width).") {
      let name = "\(prefix)width-\(width)."
      widths.append(
        AttentionWidth(
          width: width, forwardShare: try reader.number(name + "forward-share"),
          backwardShare: try reader.number(name + "backward-share"),
          forwardRamp: try reader.number(name + "forward-ramp", zero: true),
          backwardRamp: try reader.number(name + "backward-ramp", zero: true)))
    }
    return widths
  }

  /// The library whose kernels run where nobody names one; nil where the file does not say whose they are.
  public var usual: AttentionLibrary? {
    AttentionLibrary.preferred.first { libraries[$0] != nil } ?? sharesLibrary
  }

  /// The libraries that a plan may name.
  public var known: [AttentionLibrary] {
    let described = AttentionLibrary.preferred.filter {
      libraries[$0] != nil || sharesLibrary == $0
    }
    return described + (described.contains(.flash2) || sharesLibrary == .triton ? [.triton] : [])
  }

  /// The widest heads that a library's kernels take, or the usual ones'; nil for any width.
  public func widestHead(_ library: AttentionLibrary?) -> Int? {
    (library ?? usual)?.kernelWidths.last
  }

  /// The kernels for heads of a width, by a library or the usual one: those of the narrowest table that is
  /// wide enough, else of the widest.
  func kernels(_ library: AttentionLibrary?, width: Int) -> AttentionWidth {
    if library == .triton, sharesLibrary != .triton {
      return kernels(.flash2, width: width).inTriton
    }
    let widths = (library ?? usual).flatMap { libraries[$0] } ?? shares
    guard let kernels = widths.first(where: { $0.width >= width }) ?? widths.last else {
      preconditionFailure("A device has kernels of attention.")
    }
    return kernels
  }
}

extension AttentionWidth {
  /// The same kernels as FlashAttention in Triton has them, of which no table is published.
  ///
  /// FlashAttention 2 is 1.3 to 1.5 times as fast forward and about 2 times backward, on an A100 (arXiv 2307.08691,
  /// section 4.1); the middle of the range, borrowed for any device.
  var inTriton: AttentionWidth {
    var kernels = self
    kernels.forwardShare /= 1.4
    kernels.backwardShare /= 2
    return kernels
  }

  /// The widths for which libraries have tables.
  static let described = [64, 128, 192, 256]
}
