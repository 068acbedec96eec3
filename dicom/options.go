package dicom

// ReadOptions bounds and tunes a Reader. The zero value is the lenient default.
type ReadOptions struct {
	// Strict turns every Problem into an error.
	Strict bool
	// Threshold is the length in bytes above which a value stays in the source
	// and is only referred to or streamed; default 64 KiB.
	Threshold int64
	// MaxDepth bounds the nesting of sequences; default 512.
	MaxDepth int
	// MaxElements bounds the number of elements, nested ones included;
	// default 20 million.
	MaxElements int
	// MaxHeader bounds the bytes held in memory; default 32 MiB.
	MaxHeader int64
	// Syntax, when not empty, is the transfer syntax of a source without file
	// meta information, such as a data set received over the network.
	Syntax string
}

func (o ReadOptions) withDefaults() ReadOptions {
	if o.Threshold <= 0 {
		o.Threshold = 64 << 10
	}
	if o.MaxDepth <= 0 {
		o.MaxDepth = 512
	}
	if o.MaxElements <= 0 {
		o.MaxElements = 20_000_000
	}
	if o.MaxHeader <= 0 {
		o.MaxHeader = 32 << 20
	}
	return o
}
