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
