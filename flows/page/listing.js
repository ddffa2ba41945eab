// Rows by the thousand in one table: what is seen of them is drawn, the browser sorts, filters, totals and selects.
// The rows come beside the page, as JSON, and are frozen: Vue would watch each of them otherwise.
const plain = text => String(text ?? "").normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
const frozen = rows => Object.freeze(rows.map(Object.freeze));
export default {
  template: `
    <div class="listing-box">
      <div v-if="rows.length > few" class="actions no-print">
        <q-input outlined dense clearable v-model="wanted" :label="words.filter" :aria-label="words.filter"/>
        <span class="soft small" role="status">{{ told }}</span>
      </div>
      <q-table ref="table" flat dense virtual-scroll hide-bottom binary-state-sort class="listing full-width" :class="{ waiting }" row-key="id"
          :sort-method="sorted" :rows="shown" :columns="columns" :selection="selects ? 'multiple' : 'none'"
          v-model:selected="selected" v-model:pagination="order" @update:pagination="keep">
        <template #header-selection="scope"><q-checkbox dense v-model="scope.selected" :aria-label="words.all"/></template>
        <template #header-cell="props">
          <q-th :props="props" :aria-sort="direction(props.col)"><button type="button">{{ props.col.label }}</button></q-th>
        </template>
        <template #body-selection="scope">
          <q-checkbox dense v-model="scope.selected" :aria-label="words.one.replace('{id}', scope.row.id)"/>
        </template>
        <template #body-cell="props">
          <q-td :props="props">
            <a v-if="leads(props)" :href="props.row.href">{{ text(props.row, props.col) }}</a>
            <span v-else-if="props.row[props.col.name + '_mark']" :class="'mark is-' + props.row[props.col.name + '_mark']">{{
              text(props.row, props.col) }}</span>
            <template v-else>{{ text(props.row, props.col) }}</template>
            <template v-if="props.col.first && props.row.detail">
              <div class="soft small detail breaking" :lang="props.row.lang">{{ props.row.detail }}</div>
              <div v-if="props.row.more" class="soft small">{{ props.row.more }}
                <q-btn flat dense no-caps :label="words.act" :aria-label="words.act_of.replace('{id}', props.row.id)"
                  @click="$emit('act', props.row.id)"/></div>
            </template>
          </q-td>
        </template>
        <template v-if="rows.length > few && amounts.length" #bottom-row>
          <q-tr v-for="(sums, currency) in totals" :key="currency" class="total">
            <q-td v-if="selects"/>
            <q-td v-for="col in columns" :key="col.name" :class="[col.classes, col.align === 'right' ? 'text-right' : '']">
              {{ col.first ? words.total : col.name === 'currency' ? currency : col.money ? write(sums[col.name], currency) : '' }}
            </q-td>
          </q-tr>
        </template>
      </q-table>
    </div>`,
  props: { columns: Array, words: Object, source: String, selects: Boolean, chosen: Array, few: Number, language: String },
  data() {
    const rows = frozen(JSON.parse(document.getElementById(this.source).textContent));
    const ids = new Set(this.chosen);
    const asked = new URL(location).searchParams, by = asked.get(`${this.source}.sort`) ?? "";
    return {
      rows,
      selected: Object.freeze(rows.filter(row => ids.has(row.id))),
      wanted: asked.get(`${this.source}.find`) ?? "",
      waiting: true,
      order: { rowsPerPage: 0, sortBy: by.replace("-", "") || null, descending: by.startsWith("-") },
    };
  },
  created() {
    this.format = new Intl.NumberFormat(this.language, { minimumFractionDigits: 2, maximumFractionDigits: 2,
      useGrouping: "always" });
    this.arrange();
  },
  mounted() {  // not shown before the rows are where they stay
    requestAnimationFrame(() => requestAnimationFrame(() => { this.waiting = false; }));
  },
  computed: {
    amounts() { return this.columns.filter(col => col.money).map(col => col.name); },
    shown() {
      const words = plain(this.wanted).split(/\s+/).filter(Boolean);
      if (!words.length) return this.rows;
      this.read(Infinity);
      return Object.freeze(this.rows.filter((_, place) => words.every(word => this.found[place].includes(word))));
    },
    told() { return !this.wanted ? "" : this.words.count.replace("{shown}", this.shown.length).replace("{all}", this.rows.length); },
    totals() {  // by currency, in whole cents: exact, and never added across
      const found = {};
      for (const row of this.shown) {
        const sums = found[row.currency] ??= {};
        for (const name of this.amounts) sums[name] = (sums[name] ?? 0) + Math.round((row[name] ?? 0) * 100);
      }
      for (const sums of Object.values(found)) for (const name of this.amounts) sums[name] /= 100;
      return found;
    },
  },
  methods: {
    replace(rows) {  // other rows, in the order, under the filter and with the selection that there is
      const ids = new Set(this.selected.map(row => row.id));
      this.rows = frozen(rows);
      this.selected = Object.freeze(this.rows.filter(row => ids.has(row.id)));
      this.arrange();
    },
    arrange() {
      this.places = new Map(this.rows.map((row, place) => [row, place]));
      this.ranks = {};
      this.found = [];
      this.whenIdle();
    },
    whenIdle() { (window.requestIdleCallback ?? setTimeout)(() => this.read(performance.now() + 20)); },
    write(amount, currency) {
      const text = this.format.format(amount ?? 0);
      return this.columns.some(col => col.name === "currency") ? text : `${text} ${currency}`;
    },
    text(row, col) {
      const value = row[col.name];
      if (row[col.name + "_text"] !== undefined) return row[col.name + "_text"];
      if (!col.money) return value;
      return value ? this.write(value, row.currency) : value === 0 ? "-" : "";
    },
    read(until) {  // what the filter looks at, a slice at a time while nothing else is to be done
      for (const row of this.rows.slice(this.found.length)) {
        this.found.push(plain([row.detail, ...this.columns.map(col => this.text(row, col))].join(" ")));
        if (performance.now() > until) {
          this.whenIdle();
          return;
        }
      }
    },
    sorted(rows, by, descending) {  // by the rank of each row in the column, worked out once
      this.ranks[by] ??= this.ranked(this.rows.map(row => typeof row[by] === "number" ? row[by] : plain(row[by])));
      const ranks = this.ranks[by], sign = descending ? -1 : 1;
      return [...rows].sort((one, other) => sign * (ranks[this.places.get(one)] - ranks[this.places.get(other)]));
    },
    ranked(keys) {
      const compare = (one, other) => (keys[one] > keys[other]) - (keys[one] < keys[other]);
      const ranks = new Int32Array(keys.length), places = keys.map((_, place) => place).sort(compare);
      places.forEach((place, at) => { ranks[place] = at && !compare(place, places[at - 1]) ? ranks[places[at - 1]] : at; });
      return ranks;
    },
    direction(col) { return this.order.sortBy !== col.name ? "none" : this.order.descending ? "descending" : "ascending"; },
    leads(props) { return props.row.href && (props.col.first || (props.col.money && props.row[props.col.name])); },
    keep() { remember({ [`${this.source}.sort`]: this.order.sortBy && (this.order.descending ? "-" : "") + this.order.sortBy }); },
  },
  watch: {
    selected(rows) { this.$emit("chosen", rows.map(row => row.id)); },
    wanted(text) { remember({ [`${this.source}.find`]: text }); },
  },
};
