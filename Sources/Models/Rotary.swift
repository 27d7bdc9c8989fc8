/// Rotary position embedding: pairs of a head's columns turned by angles that grow with position.
public struct Rotary: Hashable, Sendable {
  /// Which columns form a pair.
  public enum Layout: Hashable, Sendable {
    /// Columns 2i and 2i + 1 (DeepSeek).
    case interleaved
    /// Columns i and i + half the head (Llama).
    case halved
  }

  /// How frequencies are stretched for sequences longer than the model was first trained on.
  public enum Scaling: Hashable, Sendable {
    case none
    /// All frequencies divided by one factor.
    case linear(factor: Double)
    case yarn(Yarn)
    case llama3(Llama3)
    /// A stretching that counts and costs nothing and whose frequencies sluice does not form, by the
    /// name of its kind: `dynamic`, `longrope`.
    case other(String)
  }

  /// YaRN (arXiv 2309.00071): low frequencies interpolated, high ones kept, a ramp between.
  public struct Yarn: Hashable, Sendable {
    /// How many times longer sequences may become.
    public var factor: Double
    /// Rotations over the original context above which a frequency is kept.
    public var betaFast: Double
    /// Rotations over the original context below which a frequency is interpolated in full.
    public var betaSlow: Double
    /// The context that the frequencies were trained on, in tokens.
    public var originalPositions: Int
    /// The weight of log(factor) in the magnitude of the rotated part; nil if not given.
    public var magnitudeScale: Double?
    /// The weight of log(factor) in the magnitude of all columns; nil if not given.
    public var magnitudeScaleAllColumns: Double?
    /// A magnitude given outright, which the weights then do not decide.
    public var attentionFactor: Double?
    /// Whether the ends of the ramp are rounded to whole columns.
    public var truncates: Bool

    /// Describes the stretching.
    public init(
      factor: Double, betaFast: Double = 32, betaSlow: Double = 1, originalPositions: Int,
      magnitudeScale: Double? = nil, magnitudeScaleAllColumns: Double? = nil,
      attentionFactor: Double? = nil, truncates: Bool = true
    ) {
      self.factor = factor
      self.betaFast = betaFast
      self.betaSlow = betaSlow
      self.originalPositions = originalPositions
      self.magnitudeScale = magnitudeScale
      self.magnitudeScaleAllColumns = magnitudeScaleAllColumns
      self.attentionFactor = attentionFactor
      self.truncates = truncates
    }
  }

  /// The stretching of Llama 3.1: by wavelength, with a smooth band between two limits.
  public struct Llama3: Hashable, Sendable {
    /// What long wavelengths are stretched by.
    public var factor: Double
    /// Original context over the wavelength above which a frequency is stretched in full.
    public var lowFrequencyFactor: Double
    /// Original context over the wavelength below which a frequency is kept.
    public var highFrequencyFactor: Double
    /// The context that the frequencies were trained on, in tokens.
    public var originalPositions: Int

    /// Describes the stretching.
    public init(
      factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double,
      originalPositions: Int
    ) {
      self.factor = factor
      self.lowFrequencyFactor = lowFrequencyFactor
      self.highFrequencyFactor = highFrequencyFactor
      self.originalPositions = originalPositions
    }
  }

  /// The base of the geometric row of frequencies.
  public var theta: Double
  /// Which columns form a pair.
  public var layout: Layout
  /// How frequencies are stretched.
  public var scaling: Scaling
  /// Columns of a head that are turned, from its first; nil for all.
  public var columns: Int?

  /// Describes the embedding.
  public init(theta: Double, layout: Layout, scaling: Scaling = .none, columns: Int? = nil) {
    self.theta = theta
    self.layout = layout
    self.scaling = scaling
    self.columns = columns
  }
}
