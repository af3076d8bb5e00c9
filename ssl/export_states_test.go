package ssl

import "reflect"

// ConnFields are the numbers in what C has of a connection, by name.
func ConnFields(c *Conn) map[string]int64 {
	fields := map[string]int64{}
	c.withLive(func(p connPtr) { addFields(fields, "", reflect.ValueOf(p).Elem()) })
	return fields
}

func addFields(to map[string]int64, prefix string, v reflect.Value) {
	for i := range v.NumField() {
		name, f := prefix+v.Type().Field(i).Name, v.Field(i)
		switch {
		case f.CanInt():
			to[name] = f.Int()
		case f.CanUint():
			to[name] = int64(f.Uint())
		case f.Kind() == reflect.Struct:
			addFields(to, name+".", f)
		}
	}
}

// PumpEnded is closed when the pump of c that reads for a Write, or the last one, has ended.
func PumpEnded(c *Conn) <-chan struct{} {
	c.midway.lock.Lock()
	defer c.midway.lock.Unlock()
	return c.midway.pump.ended
}

// ValueEvents is how many wait to be applied.
func ValueEvents() int { return valueEventsPending() }

// KeyLines is how many bytes of lines wait for the KeyLogWriter.
func KeyLines(c *Conn) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.keyLog.lines {
		n += len(b)
	}
	return n
}

// Midway reports whether c has a handshake message of its peer's in part.
func Midway(c *Conn) (midway bool) {
	c.withLive(func(p connPtr) { midway = isMidway(p) })
	return midway
}
